"""A run's test clips under what a microphone, a room, a codec and a noisy place do to them."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave, decode
from emotion.audio.standardise import resample
from emotion.data.splits.base import TEST, TRAIN
from emotion.evaluation.perturbations import PERTURBATIONS, apply_perturbation, expand
from emotion.inference.torch_model import TorchModel
from emotion.metrics.classification import score
from emotion.runs.run import Run

log = logging.getLogger(__name__)

BABBLE_CLIPS = 24
BATCH_CLIPS = 64


def evaluate_conditions(
    run: Run, *, names: str | Sequence[str], seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Return, by perturbation, strength, UAR and label of each condition.

    Clips are perturbed as they were recorded, then standardised; babble is mixed from training
    clips. A clip meets the same noise, talkers and room at every strength.
    """
    conditions = expand(names)
    predictor = TorchModel(run)
    root = Path(run.config["dataset.root"])
    split = run.split
    talkers = split["path"][split["subset"] == TRAIN].sample(
        BABBLE_CLIPS, random_state=seed, replace=True
    )

    @cache
    def babble(sample_rate: int) -> tuple[Wave, ...]:
        clips = [decode(root / path) for path in talkers.unique()]
        return tuple(resample(wave, rate, to_rate=sample_rate) for wave, rate in clips)

    test = split[split["subset"] == TEST]
    ids = {label: place for place, label in enumerate(run.labels)}
    target = np.array([ids[name] for name in test["emotion"]])
    predicted = np.zeros((len(conditions), len(test)), dtype=np.int64)
    paths = test["path"].tolist()
    for start in range(0, len(paths), BATCH_CLIPS):
        clips = [decode(root / path) for path in paths[start : start + BATCH_CLIPS]]
        for condition, (name, strength) in enumerate(conditions):
            waves = []
            for place, (wave, rate) in enumerate(clips):
                changed = apply_perturbation(
                    wave,
                    name=name,
                    strength=strength,
                    sample_rate=rate,
                    rng=np.random.default_rng((seed, start + place)),
                    babble=babble(rate) if name == "babble" else (),
                )
                waves.append(predictor.standardise(changed, rate))
            chosen = predictor.answer(waves).probabilities.argmax(axis=1)
            predicted[condition, start : start + len(clips)] = chosen
        log.info("perturbed: %d of %d clips", min(start + BATCH_CLIPS, len(paths)), len(paths))
    curves: dict[str, list[dict[str, Any]]] = {}
    for (name, strength), answers in zip(conditions, predicted, strict=True):
        point = {
            "strength": strength,
            "label": PERTURBATIONS[name].label(strength),
            "uar": score(target, answers, run.labels).uar,
        }
        curves.setdefault(name, []).append(point)
    return curves
