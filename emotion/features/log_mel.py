"""Log-mel spectrograms of whole batches, on whatever device the waves are."""

import warnings

import torch
import torchaudio.functional as AF  # noqa: N812 - torchaudio's own abbreviation
from torch import Tensor, nn

from emotion.audio.standardise import samples_of
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
    """Return decibels, (B, 1, M, F), each clip cut `range_db` below its own loudest cell."""
    level = 10 * torch.log10(power.clamp(min=1e-10))
    return torch.maximum(level, level.amax(dim=(-3, -2, -1), keepdim=True) - range_db)


def mask_padding(wave: Tensor, length: Tensor) -> Tensor:
    """Return the waves, (B, T), with zeros from each clip's own length on."""
    inside = torch.arange(wave.shape[1], device=wave.device) < length[:, None]
    return wave * inside


def fit_waves(wave: Tensor, samples: int) -> Tensor:
    """Return the waves cut or padded with silence at their end: (B, T) -> (B, samples)."""
    missing = samples - wave.shape[1]
    return nn.functional.pad(wave, (0, missing)) if missing > 0 else wave[:, :samples]


class LogMel(Features):
    """Log-mel spectrogram of exactly the size that a model takes.

    The hop is solved from the wanted number of frames, and what is over is cropped evenly.

    Args:
        sample_rate: of the waves, Hz.
        duration_ms: what every clip is cut or padded to.
        n_mels: mel bands (M), from 0 Hz to half the rate.
        frames: time steps (F).
        n_fft: samples of a window (Hann).
        range_db: what lies further below a clip's loudest cell is cut off.
    """

    samples: int
    window: Tensor
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
        self.samples = samples_of(duration_ms, sample_rate)
        self.rows = n_mels
        self.columns = frames
        self.n_fft = n_fft
        self.range_db = range_db
        self.hop = solve_hop(self.samples, frames)
        if self.samples <= n_fft // 2:
            raise ConfigError(
                f"{duration_ms} ms are shorter than half a window of {n_fft} samples."
            )
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(sample_rate, n_fft, n_mels), persistent=False)

    @property
    def settings(self) -> dict[str, object]:
        """What the features depend on, as plain numbers: the key of a feature cache."""
        names = ("sample_rate", "samples", "rows", "columns", "n_fft", "range_db", "hop")
        return {name: getattr(self, name) for name in names}

    def power(self, wave: Tensor) -> Tensor:
        """Return the power spectra, cropped to the frames: (B, T) -> (B, n_fft // 2 + 1, F)."""
        wave = fit_waves(wave, self.samples)
        spectrum = torch.stft(
            wave, self.n_fft, self.hop, window=self.window, center=True, return_complex=True
        )  # (B, T) -> (B, n_fft // 2 + 1, F+)
        start = (spectrum.shape[-1] - self.columns) // 2
        spectrum = spectrum[..., start : start + self.columns]
        return spectrum.real.square() + spectrum.imag.square()

    def decibels(self, power: Tensor) -> Tensor:
        """Return mel decibels of power spectra: (B, n_fft // 2 + 1, F) -> (B, 1, M, F)."""
        # Filters first: one product a clip, already in the order of the result. torchaudio's own
        # MelScale multiplies the transpose, whose result every later step reads against the grain.
        mel = torch.matmul(self.filters, power).unsqueeze(1)
        return power_to_db(mel, range_db=self.range_db)

    def forward(self, wave: Tensor) -> Tensor:
        """Return decibels: (B, T) -> (B, 1, M, F)."""
        if wave.device.type != "cpu":
            return self.decibels(self.power(wave))
        # A clip's spectrum, a megabyte or two, stays in a core's cache; that of a batch does not.
        some = torch.get_num_threads()
        return torch.cat([self.decibels(self.power(part)) for part in torch.split(wave, some)])


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Return the triangular HTK mel filters, (M, n_fft // 2 + 1)."""
    with warnings.catch_warnings():
        # Many narrow bands leave the lowest ones between two bins: they stay at the floor.
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero")
        filters = AF.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate)
    by_band: Tensor = filters.T.contiguous()
    return by_band
