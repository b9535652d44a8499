"""A run's network as one graph from waves to answers, in operations that ONNX has and runs fast."""

import copy
import math

import torch
from torch import Tensor, nn

from emotion.features.log_mel import LogMel
from emotion.models.base import EmotionClassifier

OUTPUTS = ("probabilities", "logits", "embedding")


class Graph(nn.Module):
    """From standardised waves, (B, T), zero behind each clip's end, to all that is answered.

    Args:
        model: whose graph it is; it stays as it was.
    """

    def __init__(self, model: EmotionClassifier) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval()
        for parent in list(self.model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, LogMel):
                    setattr(parent, name, ProductLogMel(child))

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T) -> calibrated probabilities (B, C), logits (B, C), embedding (B, D)."""
        embedding = self.model.embed_tta(self.model.image(wave))
        logits = self.model.head(embedding)
        # A graph names each output once, and where the head does nothing both are the same tensor.
        return (logits / self.model.temperature).softmax(dim=1), logits, embedding.clone()


class ProductLogMel(LogMel):
    """The same log-mel spectrogram, its Fourier transform as products of small matrices.

    ONNX knows no complex numbers, its STFT is several times slower in onnxruntime, and a single
    matrix would be larger than most models. So the transform of N = R · S samples is done in two
    steps (Cooley & Tukey 1965): S transforms of R samples, turned, then R transforms of S.

    Args:
        mel: what it stands for.
    """

    row_transform: Tensor
    turn: Tensor
    column_transform: Tensor

    def __init__(self, mel: LogMel) -> None:
        nn.Module.__init__(self)
        self.__dict__.update({name: value for name, value in vars(mel).items() if name[0] != "_"})
        self.register_buffer("window", mel.window, persistent=False)
        self.register_buffer("filters", mel.filters, persistent=False)
        size = mel.n_fft
        self.coarse = max(n for n in range(1, math.isqrt(size) + 1) if size % n == 0)  # R
        self.fine = size // self.coarse  # S
        self.kept = self.fine // 2 + 1  # a real wave's spectrum is mirrored: half is enough
        coarse, fine = torch.arange(self.coarse).double(), torch.arange(self.fine).double()
        rows = -2 * torch.pi * coarse[:, None] * coarse / self.coarse  # (R, R)
        turn = -2 * torch.pi * coarse[:, None] * fine / size  # (R, S)
        columns = -2 * torch.pi * fine[:, None] * fine[: self.kept] / self.fine  # (S, K)
        self.register_buffer(
            "row_transform", torch.cat([rows.cos(), rows.sin()]).float(), persistent=False
        )
        self.register_buffer(
            "turn", torch.stack([turn.cos(), turn.sin()]).float(), persistent=False
        )
        cos, sin = columns.cos(), columns.sin()
        both = torch.cat([torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)])
        self.register_buffer("column_transform", both.float(), persistent=False)  # (2 · S, 2 · K)

    def power(self, wave: Tensor) -> Tensor:
        """Return the power spectra of the frames: (B, T) -> (B, n_fft // 2 + 1, F)."""
        wave = nn.functional.pad(wave, (0, self.samples))[:, : self.samples]
        half = self.n_fft // 2
        mirrored = (wave[:, 1 : half + 1].flip(1), wave, wave[:, -half - 1 : -1].flip(1))
        start = (1 + self.samples // self.hop - self.columns) // 2
        place = (start + torch.arange(self.columns)) * self.hop
        index = place[:, None] + torch.arange(self.n_fft)  # (F, N)
        frames = torch.cat(mirrored, dim=1)[:, index] * self.window  # (B, F, N)
        return self.transform(frames).transpose(1, 2)

    def transform(self, frames: Tensor) -> Tensor:
        """Return power spectra: (B, F, N) -> (B, F, N // 2 + 1)."""
        grid = frames.view(-1, self.columns, self.coarse, self.fine)  # (B, F, R, S)
        real, imaginary = torch.matmul(self.row_transform, grid).chunk(
            2, dim=2
        )  # (B, F, R, S) each
        cos, sin = self.turn
        turned = [real * cos - imaginary * sin, real * sin + imaginary * cos]
        spectrum = torch.matmul(torch.cat(turned, dim=3), self.column_transform)  # (B, F, R, 2 · K)
        real, imaginary = spectrum.chunk(2, dim=3)
        power = (real.square() + imaginary.square()).transpose(2, 3)  # (B, F, K, R)
        return power.flatten(2)[:, :, : self.n_fft // 2 + 1]

    def forward(self, wave: Tensor) -> Tensor:
        """Return decibels: (B, T) -> (B, 1, M, F)."""
        return self.decibels(self.power(wave))
