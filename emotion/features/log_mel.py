"""Log-mel spectrograms of whole batches, on the device of the waves."""

import warnings

import torch
import torchaudio.functional as AF  # noqa: N812 - torchaudio's own abbreviation
from torch import Tensor, nn

from emotion.audio.standardise import ms_to_samples
from emotion.errors import ConfigError
from emotion.features.base import Features


def solve_hop(length: int, frames: int) -> int:
    """Return the largest hop, in samples, that gives a clip at least `frames` frames.

    A centred transform of `length` samples has 1 + length // hop frames.

    Raises:
        ConfigError: the clip has fewer samples than frames.
    """
    if frames < 2 or length < frames:
        raise ConfigError(f"{length} samples cannot give {frames} frames; take a longer duration.")
    return length // (frames - 1)


def power_to_db(power: Tensor, *, range_db: float) -> Tensor:
    """Return decibels, (B, 1, M, F), limited to `range_db` below each clip's loudest cell."""
    level = 10 * torch.log10(power.clamp(min=1e-10))
    return torch.maximum(level, level.amax(dim=(-3, -2, -1), keepdim=True) - range_db)


def fit_waves(wave: Tensor, samples: int) -> Tensor:
    """Return the waves cut or padded with silence at their end: (B, T) -> (B, samples)."""
    missing = samples - wave.shape[1]
    return nn.functional.pad(wave, (0, missing)) if missing > 0 else wave[:, :samples]


class PowerSpectrum(nn.Module):
    """Power spectra of exactly `frames` centred frames: (B, T) -> (B, n_fft // 2 + 1, F).

    Clips are cut or padded to `samples`. The hop is solved from the number of frames, and surplus
    frames are cropped evenly. A window (Hann) has `n_fft` samples.
    """

    window: Tensor

    def __init__(self, samples: int, *, frames: int, n_fft: int) -> None:
        super().__init__()
        self.samples, self.frames, self.n_fft = samples, frames, n_fft
        self.hop = solve_hop(samples, frames)
        self.first = (1 + samples // self.hop - frames) // 2
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def frame_lengths(self, length: Tensor) -> Tensor:
        """Return the frames whose centre lies within each clip, from its samples: (B,) -> (B,)."""
        frames = 1 + length.clamp(max=self.samples) // self.hop - self.first
        return frames.clamp(1, self.frames)

    def forward(self, wave: Tensor) -> Tensor:
        """(B, T) -> (B, n_fft // 2 + 1, F)."""
        wave = fit_waves(wave, self.samples)
        spectrum = torch.stft(
            wave, self.n_fft, self.hop, window=self.window, center=True, return_complex=True
        )  # (B, T) -> (B, n_fft // 2 + 1, F+)
        spectrum = spectrum[..., self.first : self.first + self.frames]
        return spectrum.real.square() + spectrum.imag.square()


class LogMel(Features):
    """Log-mel spectrogram of exactly the size that a model takes.

    Args:
        sample_rate: of the waves, Hz.
        duration_ms: length to which every clip is cut or padded.
        n_mels: mel bands (M), from 0 Hz to half the rate.
        frames: time steps (F); the hop is solved from it.
        n_fft: samples of a window (Hann).
        range_db: values further below a clip's loudest cell are raised to this limit.
    """

    samples: int
    filters: Tensor

    def __init__(
        self,
        sample_rate: int,
        duration_ms: float,
        *,
        n_mels: int,
        frames: int,
        n_fft: int = 2048,
        range_db: float = 80.0,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.samples = ms_to_samples(duration_ms, sample_rate)
        self.rows, self.columns = n_mels, frames
        self.n_fft, self.range_db = n_fft, range_db
        self.spectrum = PowerSpectrum(self.samples, frames=frames, n_fft=n_fft)
        self.hop = self.spectrum.hop
        if self.samples <= n_fft // 2:
            short = f"{duration_ms} ms are shorter"
            raise ConfigError(f"{short} than half a window of {n_fft} samples.")
        self.register_buffer("filters", mel_filters(sample_rate, n_fft, n_mels), persistent=False)

    @property
    def settings(self) -> dict[str, object]:
        names = ("sample_rate", "samples", "rows", "columns", "n_fft", "range_db", "hop")
        return {name: getattr(self, name) for name in names}

    def frame_lengths(self, length: Tensor) -> Tensor:
        return self.spectrum.frame_lengths(length)

    def decibels(self, power: Tensor) -> Tensor:
        """Return mel decibels of power spectra: (B, n_fft // 2 + 1, F) -> (B, 1, M, F)."""
        # Filters first: one product per clip, already in the memory order of the result.
        # torchaudio's MelScale multiplies the transpose, which makes every later step slower.
        mel = torch.matmul(self.filters, power).unsqueeze(1)
        return power_to_db(mel, range_db=self.range_db)

    def forward(self, wave: Tensor, length: Tensor) -> Tensor:
        """Return decibels: (B, T), (B,) -> (B, 1, M, F)."""
        if wave.device.type != "cpu" or torch.compiler.is_compiling():
            return self.decibels(self.spectrum(wave))
        # The spectrum of one clip, a megabyte or two, fits a core's cache; a batch does not.
        parts = torch.split(wave, torch.get_num_threads())
        return torch.cat([self.decibels(self.spectrum(part)) for part in parts])


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Return the triangular HTK mel filters, (M, n_fft // 2 + 1)."""
    with warnings.catch_warnings():
        # With many narrow bands, the lowest lie between two bins: they stay at the lower limit.
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero")
        filters = AF.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate)
    by_band: Tensor = filters.T.contiguous()
    return by_band
