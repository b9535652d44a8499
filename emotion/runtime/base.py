"""What every recogniser offers, with torch or without: waves of any rate -> calibrated answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave

Clip: TypeAlias = list[Wave]
"""A clip, standardised as in training, once for each network that hears it."""


@dataclass(frozen=True)
class ModelOutput:
    """What was heard in N clips.

    Attributes:
        probabilities: calibrated, (N, C); rows sum to 1.
        logits: not calibrated, (N, C); of several networks the logarithm of the mean.
        embedding: what the last layer classifies, (N, D); of several networks side by side.
    """

    probabilities: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]


class EmotionModel(Protocol):
    """Hears emotions."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, by id."""

    @property
    def window(self) -> float:
        """The seconds of a clip that are heard; infinite where all are."""

    def standardise(self, wave: Wave, sample_rate: int) -> Clip:
        """Return a decoded wave, (T,), of any rate in Hz, as training sees it."""

    def answer(self, clips: Sequence[Clip]) -> ModelOutput:
        """Return the answers to standardised clips, in their order."""
