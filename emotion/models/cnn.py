"""The course project's convolutional network: four blocks, a few ten thousand parameters."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class CNN(EmotionClassifier):
    """Four blocks of convolution, ReLU and batch norm, then the average over all positions.

    Args:
        channels: maps of each block.
        kernels: size of each block's kernel; every stride is 2.
        dropout: fraction of the embedding that is dropped in training.
        **shared: see `EmotionClassifier`.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int] = (8, 16, 32, 64),
        kernels: Sequence[int] = (5, 3, 3, 3),
        dropout: float = 0.0,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        blocks: list[nn.Module] = []
        for (maps, width), kernel in zip(pairwise((1, *channels)), kernels, strict=True):
            convolution = nn.Conv2d(maps, width, kernel, stride=2, padding=kernel // 2)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            blocks += [convolution, nn.ReLU(), nn.BatchNorm2d(width)]
        self.blocks = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels[-1], len(self.labels))

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, M, F), (B,) -> (B, 64)."""
        embedding: Tensor = self.dropout(self.blocks(image))
        return embedding
