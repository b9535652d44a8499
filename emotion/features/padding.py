"""Frames of clips that differ in length: which are the clip's own, and figures over those alone.

A log-mel spectrogram is cut at its clip's floor, and silence of zeros lies at it in every band: the
frames behind the last one that rises above the floor are padding.
"""

import torch
from torch import Tensor

ABOVE_DB = 0.01
"""What a cached spectrogram's rounding stays well below."""


def count_frames(image: Tensor) -> Tensor:
    """Return the frames of each clip up to its last that is not silent: dB (B, 1, M, F) -> (B,).

    A clip of nothing but silence counts as one frame.
    """
    floor = image.amin(dim=(-3, -2, -1), keepdim=True)
    heard = (image > floor + ABOVE_DB).any(dim=-2).any(dim=1)  # (B, F)
    place = torch.arange(1, image.shape[-1] + 1, device=image.device)
    return (heard * place).amax(dim=-1).clamp(min=1)


def inside(length: Tensor, frames: int) -> Tensor:
    """Return which of `frames` frames are the clips' own: (B,) -> (B, frames) bool."""
    return torch.arange(frames, device=length.device) < length[:, None]


def mean_level(image: Tensor, length: Tensor) -> Tensor:
    """Return each clip's mean over its own frames: dB (B, 1, M, F), (B,) -> (B, 1, 1, 1)."""
    own = inside(length, image.shape[-1])[:, None, None, :]
    cells = length[:, None, None, None] * image.shape[-2]
    return (image * own).sum(dim=(-2, -1), keepdim=True) / cells


def normalise_bands(image: Tensor, length: Tensor, *, least_db: float = 1.0) -> Tensor:
    """Return each band shifted and scaled by its own mean and deviation over the clip's frames.

    Args:
        image: dB, (B, 1, M, F).
        length: frames of each clip, (B,).
        least_db: added to each deviation, so that a band of noise is not blown up.
    """
    own = inside(length, image.shape[-1])[:, None, None, :]
    count = length[:, None, None, None]
    mean = (image * own).sum(dim=-1, keepdim=True) / count
    centred = (image - mean) * own
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    return centred / (variance.sqrt() + least_db)


def flip_frames(sequence: Tensor, length: Tensor) -> Tensor:
    """Return each clip's own frames in reverse, its padding where it was: (B, F, D) -> the same."""
    place = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = length[:, None] - 1 - place
    source = torch.where(mirrored >= 0, mirrored, place)  # (B, F)
    return sequence.gather(1, source[:, :, None].expand_as(sequence))
