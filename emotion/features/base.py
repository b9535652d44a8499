"""What every kind of features has, so that caches and models need not know which it is."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class Features(nn.Module):
    """From waves, (B, T), zero behind each clip's end, to pictures, (B, 1, M, F).

    Attributes:
        sample_rate: of the waves, Hz.
        samples: what every clip is cut or padded to; None where a clip keeps its length.
        rows: of the output (M), such as mel bands or encoder layers.
        columns: of the output (F), such as frames or dimensions.
        range_db: what they span, where they are decibels.
        exact: a cache keeps its values as float32, not rounded to int16 over a clip's range.
        cacheable: the same clip always gives the same picture, so that it can be computed once.
    """

    sample_rate: int
    samples: int | None = None
    rows: int
    columns: int
    range_db: float = 80.0
    exact: ClassVar[bool] = False
    cacheable: bool = True

    @property
    def settings(self) -> dict[str, object]:
        """What the pictures depend on, as plain values: the key of a feature cache."""
        raise NotImplementedError

    def load(self) -> None:
        """Load what is needed before the first picture, such as weights; nothing by default."""


def wave_lengths(wave: Tensor) -> Tensor:
    """Return the samples up to each clip's last that is not zero: (B, T) -> (B,), at least 1."""
    place = torch.arange(1, wave.shape[1] + 1, device=wave.device)
    return ((wave != 0) * place).amax(dim=1).clamp(min=1)
