"""Robustness: UAR of a run on test clips with noise, reverberation, codecs and other changes."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion.audio.decode import Wave, decode_segment
from emotion.audio.standardise import resample
from emotion.data.labels import encode_labels
from emotion.data.segments import clip_times
from emotion.data.splits.base import TEST, TRAIN
from emotion.errors import RunError
from emotion.evaluation.perturbations import PERTURBATIONS, apply_perturbation
from emotion.inference.torch_model import TorchModel
from emotion.metrics.classification import score
from emotion.runs.run import Run

log = logging.getLogger(__name__)

BABBLE_CLIPS = 24
BATCH_CLIPS = 64


def evaluate_conditions(
    run: Run, conditions: Sequence[tuple[str, float]], *, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the conditions by perturbation, each with its strength, label and UAR.

    Clips are perturbed as recorded, then standardised; babble is mixed from training clips. Noise,
    talkers and room of a clip are the same at every strength.
    """
    model = TorchModel(run)
    root = run.clips_root
    split = run.split
    training = split[split["subset"] == TRAIN]
    talkers = training.sample(BABBLE_CLIPS, random_state=seed, replace=True).drop_duplicates()

    @cache
    def babble(sample_rate: int) -> tuple[Wave, ...]:
        clips = _decode(talkers, root)
        return tuple(resample(wave, rate, to_rate=sample_rate) for wave, rate in clips)

    test = split[split["subset"] == TEST]
    if not (root / test["path"].iloc[0]).is_file():
        raise RunError(
            f"the clips of {run.folder} are not under {root}. Give their folder: dataset.root=…"
        )
    target = encode_labels(test["emotion"], run.labels)
    predicted = np.zeros((len(conditions), len(test)), dtype=np.int64)
    for start in range(0, len(test), BATCH_CLIPS):
        clips = _decode(test[start : start + BATCH_CLIPS], root)
        for condition, (name, strength) in enumerate(conditions):
            waves = []
            for index, (wave, rate) in enumerate(clips):
                rng = np.random.default_rng((seed, start + index))
                voices = babble(rate) if name == "babble" else ()
                changed = apply_perturbation(
                    wave, name=name, strength=strength, sample_rate=rate, rng=rng, babble=voices
                )
                waves.append(model.standardise(changed, rate))
            labels = model.infer(waves).probabilities.argmax(axis=1)
            predicted[condition, start : start + len(clips)] = labels
        log.info("perturbed: %d of %d clips", min(start + BATCH_CLIPS, len(test)), len(test))
    curves: dict[str, list[dict[str, Any]]] = {}
    for (name, strength), labels in zip(conditions, predicted, strict=True):
        label, uar = PERTURBATIONS[name].label(strength), score(target, labels, run.labels).uar
        point = {"strength": strength, "label": label, "uar": uar}
        curves.setdefault(name, []).append(point)
    return curves


def _decode(clips: pd.DataFrame, root: Path) -> list[tuple[Wave, int]]:
    """Return the samples and the sample rate of each clip."""
    rows = clips.to_dict("records")
    return [decode_segment(root / row["path"], *clip_times(row)) for row in rows]
