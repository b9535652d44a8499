"""Standardisation of clips: sample rate, silence trimming, length and padding."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr

from emotion.audio.arrays import as_wave, check_sample_rate
from emotion.audio.decode import Wave
from emotion.audio.quantise import dequantise, quantise
from emotion.errors import ConfigError

RESAMPLING_MARGIN_MS = 50.0  # resampled beyond the kept end: no filter artefact remains there
BLOCK_SAMPLES = 1 << 24  # processed at a time: temporary arrays of a long clip stay small
FRAME_MS, KEPT_SILENCE_MS = 20.0, 60.0  # of level measurements; left at either end by trimming


@dataclass(frozen=True)
class Standardiser:
    """Standardise decoded clips, as the preprocessing config group sets it.

    Args:
        sample_rate: of the output, Hz.
        duration_ms: exact length of every clip; null keeps each clip's own length.
        max_duration_ms: upper limit of a clip's own length; null for no limit.
        padding: of clips shorter than `duration_ms`: reflect (mirrored at the end) or zero.
        trim_db: remove leading and trailing silence, this far below the clip's loudest frame;
            null keeps it. Relative to the clip, since corpora differ 20-fold in level.
        storage: of samples in the cache: int16, scaled to each clip's peak, or float32.
    """

    sample_rate: int
    duration_ms: float | None = None
    max_duration_ms: float | None = None
    padding: Literal["reflect", "zero"] = "reflect"
    trim_db: float | None = None
    storage: Literal["int16", "float32"] = "int16"

    def __post_init__(self) -> None:
        for name in ("sample_rate", "duration_ms", "max_duration_ms", "trim_db"):
            value = getattr(self, name)
            if value is None and name != "sample_rate":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"preprocessing.{name}={value} is not a number.")
            if name == "sample_rate" and not 1_000 <= value <= 192_000:
                raise ConfigError(f"preprocessing.{name}={value} is not 1000 to 192000 Hz.")
            if not 0 < value < math.inf:
                raise ConfigError(f"preprocessing.{name}={value} must be above 0, or null.")
        for name, allowed in (("padding", ("reflect", "zero")), ("storage", ("int16", "float32"))):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"preprocessing.{name}={value!r}: choose {' or '.join(allowed)}.")

    @property
    def length(self) -> int | None:
        """Number of samples of every clip, or None where clips keep their own length."""
        duration_ms = self.duration_ms
        return None if duration_ms is None else ms_to_samples(duration_ms, self.sample_rate)

    def __call__(self, wave: npt.ArrayLike, sample_rate: int) -> Wave:
        """Return the standardised clip, (T,) float32, at least one sample long.

        Raises:
            ConfigError: samples, as `as_wave` takes them, or a sample rate that cannot be used.
        """
        wave, sample_rate = as_wave(wave), check_sample_rate(sample_rate)
        if self.trim_db is not None:
            wave = trim_silence(wave, sample_rate, below_db=self.trim_db)
        limit_ms = self.duration_ms or self.max_duration_ms
        if limit_ms is not None:
            wave = wave[: ms_to_samples(limit_ms + RESAMPLING_MARGIN_MS, sample_rate)]
        wave = resample(wave, sample_rate, to_rate=self.sample_rate)
        if self.length is not None:
            return fit_length(wave, self.length, padding=self.padding)
        return wave if limit_ms is None else wave[: ms_to_samples(limit_ms, self.sample_rate)]

    def as_in_training(self, wave: npt.ArrayLike, sample_rate: int) -> Wave:
        """Return the standardised clip, (T,), rounded as the waveform cache stores it."""
        return dequantise(*quantise(self(wave, sample_rate), self.storage))


def ms_to_samples(duration_ms: float, sample_rate: int) -> int:
    """Return the number of samples in a duration, at least 1 (2,618 ms at 24,414 Hz: 63,916)."""
    return max(1, round(sample_rate * duration_ms / 1000))


def resample(wave: Wave, sample_rate: int, *, to_rate: int) -> Wave:
    """Return the clip at another rate, ceil(T · to_rate / sample_rate) samples long."""
    if sample_rate == to_rate:
        return wave
    length = math.ceil(len(wave) * to_rate / sample_rate)
    if len(wave) < BLOCK_SAMPLES:
        whole: Wave = soxr.resample(wave, sample_rate, to_rate, quality="HQ")
        return fit_length(whole, length, padding="zero")
    stream = soxr.ResampleStream(sample_rate, to_rate, 1, dtype="float32", quality="HQ")
    out: Wave = np.zeros(length, dtype=np.float32)
    stop = 0
    for block in [*in_blocks(wave), None]:
        part = stream.resample_chunk(wave[:0] if block is None else block, last=block is None)
        part = part[: length - stop]
        out[stop : stop + len(part)] = part
        stop += len(part)
    return out


def in_blocks(wave: Wave) -> Iterator[Wave]:
    """Yield a clip in blocks of `BLOCK_SAMPLES`; most clips are one block."""
    for start in range(0, len(wave), BLOCK_SAMPLES):
        yield wave[start : start + BLOCK_SAMPLES]


def fit_length(wave: Wave, length: int, *, padding: str) -> Wave:
    """Return the clip, (T,), cut or padded at its end to `length` samples.

    Reflection repeats as often as a very short clip needs; a single sample is repeated.
    """
    missing = length - len(wave)
    if missing <= 0:
        return wave[:length]
    if padding == "zero" or not len(wave):
        return np.pad(wave, (0, missing))
    padded: Wave = np.pad(wave, (0, missing), mode="reflect")
    return padded


def pad_waves(waves: Sequence[Wave]) -> tuple[Wave, npt.NDArray[np.int64]]:
    """Return waves as one batch, (B, T), zero beyond each one's length, and the lengths, (B,)."""
    lengths = np.array([len(wave) for wave in waves], dtype=np.int64)
    batch = np.zeros((len(waves), lengths.max()), dtype=np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return batch, lengths


def frame_levels_db(wave: Wave, sample_rate: int) -> Wave:
    """Return the level of each whole frame, dB re full scale, (frames,); -120 dB at least.

    The clip's mean is subtracted: a DC offset (up to 0.045 in SAVEE) would raise every silence.
    """
    size = min(len(wave), ms_to_samples(FRAME_MS, sample_rate))
    mean = wave.mean()
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    parts = []
    for start in range(0, len(frames), max(1, BLOCK_SAMPLES // size)):
        part = frames[start : start + max(1, BLOCK_SAMPLES // size)] - mean
        parts.append(np.einsum("ij,ij->i", part, part) / size)
    power = np.concatenate(parts)
    levels: Wave = (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
    return levels


def trim_silence(wave: Wave, sample_rate: int, *, below_db: float) -> Wave:
    """Return the clip without leading and trailing silence, except for `KEPT_SILENCE_MS` each.

    Frames `below_db` below the clip's loudest frame are silence. A silent clip is kept whole.
    """
    start, stop = nonsilent_interval(wave, sample_rate, below_db=below_db)
    keep = ms_to_samples(KEPT_SILENCE_MS, sample_rate)
    return wave[max(0, start - keep) : stop + keep]


def nonsilent_interval(
    wave: Wave, sample_rate: int, *, below_db: float = 40.0, levels: Wave | None = None
) -> tuple[int, int]:
    """Return the first sample, and the one after the last, between leading and trailing silence.

    `levels` are the clip's `frame_levels_db`, where they have been computed already.
    """
    if levels is None:
        levels = frame_levels_db(wave, sample_rate)
    active = np.flatnonzero(levels > max(levels.max() - below_db, -119.0))
    if not len(active):
        return 0, len(wave)
    size = min(len(wave), ms_to_samples(FRAME_MS, sample_rate))
    stop = len(wave) if active[-1] == len(levels) - 1 else int(active[-1] + 1) * size
    return int(active[0]) * size, stop
