"""Masks for batches of clips of different lengths, and statistics that exclude the padding."""

import torch
from torch import Tensor


def sequence_mask(length: Tensor, size: int) -> Tensor:
    """Return a mask of the first `length` of `size` elements: (B,) -> (B, size) bool."""
    return torch.arange(size, device=length.device) < length[:, None]


def mask_padding(x: Tensor, length: Tensor) -> Tensor:
    """Return waves, (B, T), or images, (B, C, M, F), with zeros beyond each clip's length, (B,)."""
    mask = sequence_mask(length, x.shape[-1])
    return x * (mask if x.ndim == 2 else mask[:, None, None, :])


def mean_level(image: Tensor, frames: Tensor) -> Tensor:
    """Return each clip's mean over its frames: dB (B, 1, M, F), (B,) -> (B, 1, 1, 1)."""
    cells = frames[:, None, None, None] * image.shape[-2]
    return mask_padding(image, frames).sum(dim=(-2, -1), keepdim=True) / cells


def normalise_bands(image: Tensor, frames: Tensor, *, min_deviation_db: float = 1.0) -> Tensor:
    """Return dB images, (B, 1, M, F), each band less its mean and over its deviation in the clip.

    `min_deviation_db` is added to each deviation, so that a band of noise is not amplified.
    """
    count = frames[:, None, None, None]
    mean = mask_padding(image, frames).sum(dim=-1, keepdim=True) / count
    centred = mask_padding(image - mean, frames)
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    return centred / (variance.sqrt() + min_deviation_db)


def flip_frames(sequence: Tensor, frames: Tensor) -> Tensor:
    """Return each clip's frames in reverse order, its padding unchanged: (B, F, D) -> the same."""
    position = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = frames[:, None] - 1 - position
    source = torch.where(mirrored >= 0, mirrored, position)  # (B, F)
    return sequence.gather(1, source[:, :, None].expand_as(sequence))
