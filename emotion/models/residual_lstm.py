"""A residual LSTM with self-attention over cepstra and chroma, after arXiv 2606.03359.

The paper gives one line: h = 64, 46,772 parameters, MFCC and chroma as input. One LSTM layer, the
projected input added to its output, and the number of coefficients are assumptions; with them the
number of parameters differs by a few hundred.
"""

from typing import Any

from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class ResidualLSTM(EmotionClassifier):
    """LSTM beside a short cut, attention of every frame to all, the mean over time.

    Args:
        hidden: units of the LSTM.
        dropout: fraction of the embedding that is dropped in training.
        **shared: see `EmotionClassifier`.
    """

    normalisations = ("none",)

    def __init__(
        self, *, hidden: int = 64, heads: int = 4, dropout: float = 0.3, **shared: Any
    ) -> None:
        super().__init__(normalise="none", **shared)
        size = self.features.rows
        self.standardise = nn.BatchNorm1d(size, affine=False, momentum=None)
        self.lstm = nn.LSTM(size, hidden, batch_first=True)
        self.shortcut = nn.Linear(size, hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, len(self.labels))

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, M, F), (B,) -> (B, hidden)."""
        sequence = self.standardise(image[:, 0]).transpose(1, 2)  # (B, M, F) -> (B, F, M)
        recurrent = self.lstm(sequence)[0] + self.shortcut(sequence)
        attended, _ = self.attention(recurrent, recurrent, recurrent, need_weights=False)
        embedding: Tensor = self.dropout(self.norm(recurrent + attended).mean(dim=1))
        return embedding
