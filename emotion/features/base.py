"""Interface of all features, so that caches and models need not know the kind."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class Features(nn.Module):
    """From waves, (B, T), and the samples of each clip, (B,), to images, (B, 1, M, F).

    Waves are zero beyond each clip's length; a longer padding must not change a clip's features.

    Attributes:
        sample_rate: of the waves, Hz.
        samples: length to which every clip is cut or padded; None where clips keep their length.
        rows: of the output (M), such as mel bands or encoder layers.
        columns: of the output (F), such as frames or dimensions.
        range_db: range of the output values, where they are decibels.
        exact: a cache stores the values as float32, not rounded to int16 over a clip's range.
        cacheable: a clip always gives the same features, so that they can be computed once.
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
        """Settings that change the features, as plain values: the key of a feature cache."""
        raise NotImplementedError

    def load(self) -> None:
        """Load what the first batch needs, such as weights; nothing by default."""

    def frame_lengths(self, length: Tensor) -> Tensor:
        """Return the columns of each clip that are not padding, from its samples: (B,) -> (B,).

        By default all: the columns are dimensions, not frames.
        """
        return torch.full_like(length, self.columns)
