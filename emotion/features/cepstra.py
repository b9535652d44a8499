"""Mel cepstra and chroma of every frame."""

import math

import torch
import torchaudio.functional as AF  # noqa: N812 - torchaudio's own abbreviation
from torch import Tensor

from emotion.features.base import Features
from emotion.features.log_mel import LogMel

CHROMA = 12
LOWEST_HZ = 55.0
"""Lowest frequency of the chroma: below it, a bin is much wider than a semitone."""


class Cepstra(Features):
    """Mel cepstra over chroma: (B, T) -> (B, 1, cepstra + 12, F).

    Args:
        sample_rate: of the waves, Hz.
        duration_ms: length to which every clip is cut or padded.
        cepstra: coefficients of the cosine transform of the log-mel spectrum, from the zeroth on.
        frames: time steps (F).
        bands: mel bands below the cepstra.
        n_fft: samples of a window (Hann).
    """

    exact = True
    cosines: Tensor
    pitches: Tensor

    def __init__(
        self,
        sample_rate: int,
        duration_ms: float,
        *,
        cepstra: int,
        frames: int,
        bands: int = 64,
        n_fft: int = 1024,
    ) -> None:
        super().__init__()
        self.mel = LogMel(sample_rate, duration_ms, n_mels=bands, frames=frames, n_fft=n_fft)
        self.sample_rate, self.samples = sample_rate, self.mel.samples
        self.cepstra, self.rows, self.columns = cepstra, cepstra + CHROMA, frames
        cosines = AF.create_dct(cepstra, bands, "ortho").T.contiguous()  # (cepstra, bands)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("pitches", pitch_filters(sample_rate, n_fft), persistent=False)

    @property
    def settings(self) -> dict[str, object]:
        return {"cepstra": self.cepstra, "chroma": CHROMA, **self.mel.settings}

    def frame_lengths(self, length: Tensor) -> Tensor:
        return self.mel.frame_lengths(length)

    def forward(self, wave: Tensor, length: Tensor) -> Tensor:
        """(B, T), (B,) -> (B, 1, cepstra + 12, F)."""
        power = self.mel.spectrum(wave)  # (B, n_fft // 2 + 1, F)
        cepstra = torch.matmul(self.cosines, self.mel.decibels(power))  # (B, 1, cepstra, F)
        chroma = torch.matmul(self.pitches, power).unsqueeze(1)
        chroma = chroma / chroma.amax(dim=-2, keepdim=True).clamp(min=1e-10)
        return torch.cat([cepstra, chroma], dim=-2)


def pitch_filters(sample_rate: int, n_fft: int) -> Tensor:
    """Return the bins of each pitch class as 0 and 1, (12, n_fft // 2 + 1); the first is A."""
    hertz = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    semitone = (12 * torch.log2(hertz.clamp(min=LOWEST_HZ) / 440)).round().long() % CHROMA
    filters = torch.nn.functional.one_hot(semitone, CHROMA).T.float()
    filters[:, : math.ceil(LOWEST_HZ * n_fft / sample_rate)] = 0
    return filters
