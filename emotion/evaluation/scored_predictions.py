"""From logits to what a run leaves: predictions.csv and the figures of metrics.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.metrics.calibration import brier_score, expected_calibration_error, softmax
from emotion.metrics.classification import confusion_matrix, score
from emotion.metrics.intervals import speaker_interval

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredPredictions:
    """What a model said of some clips.

    `table` has path, corpus, speaker, sex and emotion (the target); `logits` are (N, C).
    """

    table: pd.DataFrame
    logits: Array
    labels: tuple[str, ...]

    @property
    def target(self) -> npt.NDArray[np.int64]:
        """The true ids, (N,)."""
        ids = {label: place for place, label in enumerate(self.labels)}
        return np.array([ids[name] for name in self.table["emotion"]], dtype=np.int64)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable ids, (N,)."""
        best: npt.NDArray[np.int64] = self.logits.argmax(axis=1).astype(np.int64)
        return best

    def probabilities(self, temperature: float) -> Array:
        """Return calibrated probabilities, (N, C)."""
        return softmax(self.logits, temperature)

    def predictions(self, temperature: float) -> pd.DataFrame:
        """Return predictions.csv: path, corpus, speaker, target, predicted, p_<label>…"""
        names = np.array(self.labels, dtype=object)
        columns = {
            "path": self.table["path"].to_numpy(),
            "corpus": self.table["corpus"].to_numpy(),
            "speaker": self.table["speaker"].to_numpy(),
            "target": self.table["emotion"].to_numpy(),
            "predicted": names[self.predicted],
        }
        probabilities = self.probabilities(temperature)
        columns |= {
            f"p_{label}": probabilities[:, place] for place, label in enumerate(self.labels)
        }
        return pd.DataFrame(columns)

    def figures(self, temperature: float) -> dict[str, Any]:
        """Return the figures of these clips, overall and by group, as plain values."""
        target, predicted = self.target, self.predicted
        figures = score(target, predicted, self.labels).as_dict()
        figures["loss"] = self.loss(1.0)
        figures["confusion"] = confusion_matrix(
            target, predicted, n_classes=len(self.labels)
        ).tolist()
        figures["interval"] = _interval(self)
        figures["calibration"] = {
            "temperature": temperature,
            "loss": self.loss(temperature),
            "ece": expected_calibration_error(self.probabilities(temperature), target),
            "ece_uncalibrated": expected_calibration_error(self.probabilities(1.0), target),
            "brier": brier_score(self.probabilities(temperature), target),
        }
        for group in ("corpus", "sex", "speaker"):
            figures[f"by_{group}"] = self._by(group)
        return figures

    def loss(self, temperature: float) -> float:
        """Return the mean negative log-likelihood, in nats."""
        chosen = self.probabilities(temperature)[np.arange(len(self.logits)), self.target]
        return float(-np.log(np.maximum(chosen, 1e-300)).mean())

    def _by(self, group: str) -> dict[str, dict[str, float]]:
        """Return uar, wa and n of each group; speakers by corpus/speaker."""
        names = self.table[group]
        if group == "speaker":
            names = self.table["corpus"] + "/" + names
        out = {}
        for name in sorted(set(names) - {""}):
            here = (names == name).to_numpy()
            figures = score(self.target[here], self.predicted[here], self.labels)
            out[str(name)] = {"uar": figures.uar, "wa": figures.wa, "n": figures.n}
        return out


def _interval(outcome: ScoredPredictions) -> dict[str, Any]:
    speakers: Sequence[str] = (outcome.table["corpus"] + "/" + outcome.table["speaker"]).tolist()
    interval = speaker_interval(
        outcome.target, outcome.predicted, speakers, n_classes=len(outcome.labels)
    )
    return {"uar_low": interval.low, "uar_high": interval.high, "speakers": interval.n_clusters}
