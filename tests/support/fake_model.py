"""A fast model and speech detector for tests: simple sums over the samples, no network."""

from collections.abc import Mapping, Sequence

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import Standardiser
from emotion.runtime.base import ModelOutput, StandardisedClip
from emotion.runtime.out_of_distribution import (
    TrainingProfile,
    fit_training_profile,
    measure_traits,
)

LABELS = ("sad", "angry", "happy")
RATE = 8000


class FakeModel:
    """An EmotionModel: probabilities are the energies of a clip's thirds; 5-dimensional embedding.

    Args:
        window_s: length of a clip that it classifies, in seconds.
    """

    labels = LABELS

    def __init__(self, window_s: float = 1.0) -> None:
        self.window_s = window_s
        self.standardiser = Standardiser(RATE, 1000 * window_s if window_s < np.inf else None)
        self.largest_batch = 0

    def standardise(self, wave: Wave, sample_rate: int) -> StandardisedClip:
        return [self.standardiser(wave, sample_rate)]

    def infer(self, clips: Sequence[StandardisedClip]) -> ModelOutput:
        self.largest_batch = max(self.largest_batch, len(clips))
        thirds = [[float(np.sum(part**2)) for part in np.array_split(clip[0], 3)] for clip in clips]
        energy = np.array(thirds) + 1e-3
        probabilities = energy / energy.sum(axis=1, keepdims=True)
        embedding = [
            [clip[0].mean(), clip[0].std(), *np.quantile(clip[0], [0.1, 0.5, 0.9])]
            for clip in clips
        ]
        return ModelOutput(
            probabilities, np.log(probabilities), np.array(embedding, dtype=np.float32)
        )


class FakeSpeechDetector:
    """A SpeechDetector for tests: every loud clip is speech."""

    def is_speech(self, wave: Wave, sample_rate: int) -> bool:
        return float(np.abs(wave).max(initial=0)) > 0.05


def noise(seconds: float, rate: int = RATE, *, seed: int = 0, level: float = 0.1) -> Wave:
    """Return noise, (T,), whose level rises and falls every second."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(np.pi * time) * random.standard_normal(len(time))).astype(np.float32)


def noise_profile(
    *, level: float = 0.1, priors: Mapping[str, float] | None = None
) -> TrainingProfile:
    """Return the profile of 64 clips of noise, with uniform class priors by default."""
    waves = [noise(1.0, seed=seed, level=level) for seed in range(64)]
    model = FakeModel()
    embedding = model.infer([model.standardise(wave, RATE) for wave in waves]).embedding
    return fit_training_profile(
        [measure_traits(wave, RATE) for wave in waves],
        embedding,
        embedding,
        window_s=model.window_s,
        model_rate=RATE,
        priors=priors or dict.fromkeys(LABELS, 1 / 3),
    )
