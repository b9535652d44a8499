"""Batches: clips with their lengths, targets and rows."""

from typing import NamedTuple

from torch import Tensor

from emotion.data.clip_store import Stored


class Batch(NamedTuple):
    """A batch on the device, as models take it.

    Attributes:
        x: waves, (B, T) float32, zero beyond each clip's length; or, where features are cached,
            features, (B, 1, M, F) float32.
        length: samples of each clip's wave, (B,); also where x holds features.
        target: ids of the classes, (B,).
        row: the clips' rows in the index, (B,).
    """

    x: Tensor
    length: Tensor
    target: Tensor
    row: Tensor


class RawBatch(NamedTuple):
    """A batch before the transfer to the device: stored samples, targets and rows."""

    stored: Stored
    target: Tensor
    row: Tensor
