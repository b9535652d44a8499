"""Interface of a trained model, with torch or onnxruntime: decoded waves -> class probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.errors import ModelError

StandardisedClip: TypeAlias = list[Wave]
"""A clip, standardised as in training, once for each network of an ensemble."""


@dataclass(frozen=True)
class ModelOutput:
    """Output of a model for N clips.

    Attributes:
        probabilities: calibrated, (N, C); rows sum to 1.
        logits: not calibrated, (N, C); for an ensemble the logarithm of the mean probabilities.
        embedding: input of the classification layer, (N, D); concatenated for an ensemble.

    Raises:
        ModelError: probabilities, or values of the embedding, that are not numbers.
    """

    probabilities: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        sums = self.probabilities.sum(axis=1)
        if not (np.abs(sums - 1) < 1e-3).all() or (self.probabilities < 0).any():
            raise ModelError(
                "the model returns values that are not probabilities, such as NaN. Its weights are "
                "damaged, or its training diverged: train or export it again."
            )
        if not np.isfinite(self.embedding).all():
            raise ModelError("the model returns an embedding with values that are not numbers.")


class EmotionModel(Protocol):
    """A trained model or ensemble, with its preprocessing and calibration."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, by class index."""

    @property
    def window_s(self) -> float:
        """Length of a clip that the model classifies, in seconds; infinite for any length."""

    def standardise(self, wave: Wave, sample_rate: int) -> StandardisedClip:
        """Return a decoded wave, (T,), of any rate in Hz, standardised as in training."""

    def infer(self, clips: Sequence[StandardisedClip]) -> ModelOutput:
        """Return the output for a batch of standardised clips, in their order."""
