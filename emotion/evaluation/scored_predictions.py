"""Scored predictions: predictions.csv and the metrics of metrics.json from logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.data.labels import encode_labels
from emotion.data.segments import clip_key
from emotion.data.speakers import speaker_ids
from emotion.metrics.calibration import brier_score, expected_calibration_error, softmax
from emotion.metrics.classification import Array, confusion_matrix, score
from emotion.metrics.intervals import speaker_interval


@dataclass(frozen=True)
class ScoredPredictions:
    """Logits of a model, (N, C), for clips with known emotions.

    `table` has the columns of `clip_key`, corpus, speaker, sex and emotion (the target).
    """

    table: pd.DataFrame
    logits: Array
    labels: tuple[str, ...]

    @property
    def target(self) -> npt.NDArray[np.int64]:
        """Ids of the true classes, (N,)."""
        return encode_labels(self.table["emotion"], self.labels)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """Ids of the most probable classes, (N,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)

    def probabilities(self, temperature: float) -> Array:
        """Return calibrated probabilities, (N, C)."""
        return softmax(self.logits, temperature)

    def predictions(self, temperature: float) -> pd.DataFrame:
        """Return predictions.csv: clip_key, corpus, speaker, target, predicted, p_<label>…

        A column speakers_of follows speaker where the table has one.
        """
        columns = [*clip_key(self.table), "corpus", "speaker", "speakers_of", "emotion"]
        clips = self.table[[name for name in columns if name in self.table]]
        clips = clips.reset_index(drop=True)
        predicted = np.array(self.labels, dtype=object)[self.predicted]
        by_label = zip(self.labels, self.probabilities(temperature).T, strict=True)
        return clips.rename(columns={"emotion": "target"}).assign(
            predicted=predicted, **{f"p_{label}": column for label, column in by_label}
        )

    def metrics(self, temperature: float) -> dict[str, Any]:
        """Return the metrics of these clips, overall and by group, as plain values."""
        target, predicted, n_classes = self.target, self.predicted, len(self.labels)
        speakers = speaker_ids(self.table)
        interval = speaker_interval(target, predicted, speakers.tolist(), n_classes=n_classes)
        metrics = score(target, predicted, self.labels).as_dict()
        metrics["loss"] = self.loss(1.0)
        metrics["confusion"] = confusion_matrix(target, predicted, n_classes=n_classes).tolist()
        low, high, n_speakers = interval.low, interval.high, interval.n_clusters
        metrics["interval"] = {"uar_low": low, "uar_high": high, "speakers": n_speakers}
        calibrated = self.probabilities(temperature)
        metrics["calibration"] = {
            "temperature": temperature,
            "loss": self.loss(temperature),
            "ece": expected_calibration_error(calibrated, target),
            "ece_uncalibrated": expected_calibration_error(self.probabilities(1.0), target),
            "brier": brier_score(calibrated, target),
        }
        groups = {"corpus": self.table["corpus"], "sex": self.table["sex"], "speaker": speakers}
        return metrics | {f"by_{name}": self._group_metrics(each) for name, each in groups.items()}

    def loss(self, temperature: float) -> float:
        """Return the mean negative log-likelihood, in nats."""
        likelihoods = self.probabilities(temperature)[np.arange(len(self.logits)), self.target]
        return float(-np.log(np.maximum(likelihoods, 1e-300)).mean())

    def _group_metrics(self, groups: "pd.Series[str]") -> dict[str, dict[str, float]]:
        """Return UAR, WA and number of clips of each group, without the empty name."""
        found = {}
        for name in sorted(set(groups) - {""}):
            rows = (groups == name).to_numpy()
            scores = score(self.target[rows], self.predicted[rows], self.labels)
            found[str(name)] = {"uar": scores.uar, "wa": scores.wa, "n": scores.n}
        return found
