"""What a datamodule hands to a model."""

from typing import NamedTuple

from torch import Tensor

from emotion.data.clip_store import Stored


class Batch(NamedTuple):
    """Clips side by side.

    Attributes:
        x: waves, (B, T) float32, zero beyond each clip's length; or, where features are cached,
            spectrograms, (B, 1, M, F) float32, in dB.
        length: samples of each clip, (B,).
        target: ids of the classes, (B,).
        row: the clips' rows in the index, (B,).
    """

    x: Tensor
    length: Tensor
    target: Tensor
    row: Tensor


class RawBatch(NamedTuple):
    """What crosses to the device: stored samples, and what they are."""

    stored: Stored
    target: Tensor
    row: Tensor
