"""The graph that is exported, from waves to probabilities, in operations that ONNX runs fast."""

import copy
import math

import torch
from torch import Tensor, nn

from emotion.features.log_mel import PowerSpectrum
from emotion.models.base import EmotionClassifier

INPUTS = ("waves", "lengths")
OUTPUTS = ("probabilities", "logits", "embedding")


class Graph(nn.Module):
    """From standardised waves to probabilities, logits and embedding, with a copy of a model."""

    def __init__(self, model: EmotionClassifier) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval()
        for parent in list(self.model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, PowerSpectrum):
                    setattr(parent, name, ProductSpectrum(child))

    def forward(self, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return calibrated probabilities (B, C), logits (B, C) and embeddings (B, D).

        The waves, (B, T), are zero beyond the lengths of the clips, (B,) int64 samples.
        """
        embedding = self.model.embed_tta(*self.model.image(waves, lengths))
        logits = self.model.head(embedding)
        # Outputs of a graph must be distinct tensors; an identity head returns its input.
        return (logits / self.model.temperature).softmax(dim=1), logits, embedding.clone()


class ProductSpectrum(nn.Module):
    """Power spectra of a module, with the Fourier transform as products of small matrices.

    ONNX has no complex numbers, its STFT is several times slower in onnxruntime, and a single
    matrix would be larger than most models. So the transform of N = R · S samples has two steps
    (Cooley & Tukey 1965): S transforms of R samples, multiplied by twiddle factors, then R
    transforms of S samples.
    """

    row_transform: Tensor
    twiddle: Tensor
    column_transform: Tensor

    def __init__(self, spectrum: PowerSpectrum) -> None:
        super().__init__()
        self.spectrum = spectrum
        self.frame_lengths = spectrum.frame_lengths
        size = spectrum.n_fft
        self.rows = max(n for n in range(1, math.isqrt(size) + 1) if size % n == 0)  # R
        self.columns = size // self.rows  # S
        kept = self.columns // 2 + 1  # the spectrum of a real wave is symmetric: half is enough
        row, column = torch.arange(self.rows).double(), torch.arange(self.columns).double()
        row_angle = -2 * torch.pi * row[:, None] * row / self.rows  # (R, R)
        twiddle_angle = -2 * torch.pi * row[:, None] * column / size  # (R, S)
        column_angle = -2 * torch.pi * column[:, None] * column[:kept] / self.columns  # (S, K)
        cos, sin = column_angle.cos(), column_angle.sin()
        blocks = [torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)]  # (S, 2 · K) each
        buffers = {
            "row_transform": torch.cat([row_angle.cos(), row_angle.sin()]),  # (2 · R, R)
            "twiddle": torch.stack([twiddle_angle.cos(), twiddle_angle.sin()]),  # (2, R, S)
            "column_transform": torch.cat(blocks),  # (2 · S, 2 · K)
        }
        for name, values in buffers.items():
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """(B, T) -> (B, n_fft // 2 + 1, F)."""
        spectrum = self.spectrum
        wave = nn.functional.pad(wave, (0, spectrum.samples))[:, : spectrum.samples]
        half = spectrum.n_fft // 2
        mirrored = (wave[:, 1 : half + 1].flip(1), wave, wave[:, -half - 1 : -1].flip(1))
        start = (spectrum.first + torch.arange(spectrum.frames)) * spectrum.hop
        index = start[:, None] + torch.arange(spectrum.n_fft)  # (F, N)
        frames = torch.cat(mirrored, dim=1)[:, index] * spectrum.window  # (B, F, N)
        return self.transform(frames).transpose(1, 2)

    def transform(self, frames: Tensor) -> Tensor:
        """Return power spectra: (B, F, N) -> (B, F, N // 2 + 1)."""
        grid = frames.view(*frames.shape[:2], self.rows, self.columns)  # (B, F, R, S)
        real, imaginary = torch.matmul(self.row_transform, grid).chunk(2, dim=2)  # (B, F, R, S)
        cos, sin = self.twiddle
        rotated = [real * cos - imaginary * sin, real * sin + imaginary * cos]
        spectrum = torch.matmul(torch.cat(rotated, dim=3), self.column_transform)
        real, imaginary = spectrum.chunk(2, dim=3)  # (B, F, R, K)
        power = (real.square() + imaginary.square()).transpose(2, 3)  # (B, F, K, R)
        return power.flatten(2)[:, :, : frames.shape[2] // 2 + 1]
