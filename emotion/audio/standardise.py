"""Makes every clip comparable: one rate, one channel, one length or at most one."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr

from emotion.audio.decode import Wave
from emotion.errors import ConfigError

MARGIN_MS = 50.0
"""What is resampled beyond the kept end, so that the filter's tail never shows in it."""


@dataclass(frozen=True)
class Standardiser:
    """Turns a decoded clip into what models are fed.

    Args:
        sample_rate: of the result, Hz.
        duration_ms: the exact length of every clip; null keeps each clip's own.
        max_duration_ms: the cap on a clip's own length; null for none.
        padding: how a short clip reaches `duration_ms`: mirrored at its end, or silence.
        trim_db: cut leading and trailing parts that lie this far below the clip's loudest frame;
            null keeps them. Relative to the clip, since corpora differ 20-fold in level.
        storage: what the cache holds: int16 scaled to each clip's peak, or float32.
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
            optional = name != "sample_rate" and value is None
            if isinstance(value, str | bool) or not (optional or isinstance(value, int | float)):
                raise ConfigError(f"preprocessing.{name}={value} is no number.")
        if not 1_000 <= self.sample_rate <= 192_000:
            raise ConfigError(
                f"preprocessing.sample_rate={self.sample_rate} is not 1000…192000 Hz."
            )
        for name in ("duration_ms", "max_duration_ms", "trim_db"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"preprocessing.{name}={value} must be above 0, or null.")
        if self.padding not in ("reflect", "zero"):
            raise ConfigError(f"preprocessing.padding={self.padding!r}: choose reflect or zero.")
        if self.storage not in ("int16", "float32"):
            raise ConfigError(f"preprocessing.storage={self.storage!r}: choose int16 or float32.")

    @property
    def length(self) -> int | None:
        """The samples of every clip, or None where clips keep their own length."""
        return None if self.duration_ms is None else samples_of(self.duration_ms, self.sample_rate)

    def __call__(self, wave: Wave, sample_rate: int) -> Wave:
        """Return the standardised clip, (T,) float32, at least one sample long."""
        if self.trim_db is not None:
            wave = trim_silence(wave, sample_rate, below_db=self.trim_db)
        longest_ms = self.duration_ms or self.max_duration_ms
        if longest_ms is not None:
            wave = wave[: samples_of(longest_ms + MARGIN_MS, sample_rate)]
        wave = resample(wave, sample_rate, to_rate=self.sample_rate)
        if self.length is not None:
            return fit_length(wave, self.length, padding=self.padding)
        return wave if longest_ms is None else wave[: samples_of(longest_ms, self.sample_rate)]


def samples_of(duration_ms: float, sample_rate: int) -> int:
    """Return the number of samples in a duration, at least 1 (2,618 ms at 24,414 Hz: 63,916)."""
    return max(1, round(sample_rate * duration_ms / 1000))


def resample(wave: Wave, sample_rate: int, *, to_rate: int) -> Wave:
    """Return the clip at another rate, ceil(T · to_rate / sample_rate) samples long."""
    if sample_rate == to_rate:
        return wave
    out: Wave = soxr.resample(wave, sample_rate, to_rate, quality="HQ")
    return fit_length(out, math.ceil(len(wave) * to_rate / sample_rate), padding="zero")


def fit_length(wave: Wave, length: int, *, padding: str) -> Wave:
    """Return the clip cut at `length` samples, or padded at its end.

    Mirroring repeats as often as a very short clip needs; a single sample is held.
    """
    missing = length - len(wave)
    if missing <= 0:
        return wave[:length]
    if padding == "zero" or not len(wave):
        return np.pad(wave, (0, missing))
    padded: Wave = np.pad(wave, (0, missing), mode="reflect")
    return padded


def frame_levels_db(wave: Wave, sample_rate: int, *, frame_ms: float = 20.0) -> Wave:
    """Return the level of each whole frame, dB re full scale, (frames,); -120 at the least.

    The clip's mean is no sound: an offset (SAVEE's reach 0.045) would fill every silence.
    """
    size = min(len(wave), samples_of(frame_ms, sample_rate))
    frames = (wave - wave.mean())[: len(wave) // size * size].reshape(-1, size)
    power = np.einsum("ij,ij->i", frames, frames) / size
    levels: Wave = (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
    return levels


def trim_silence(
    wave: Wave, sample_rate: int, *, below_db: float, frame_ms: float = 20.0, keep_ms: float = 60.0
) -> Wave:
    """Return the clip without the silence at its ends, but for `keep_ms` on either side.

    Silence lies `below_db` under the clip's loudest frame. A silent clip comes back whole.
    """
    start, stop = active_span(wave, sample_rate, below_db=below_db, frame_ms=frame_ms)
    keep = samples_of(keep_ms, sample_rate)
    return wave[max(0, start - keep) : stop + keep]


def active_span(
    wave: Wave, sample_rate: int, *, below_db: float = 40.0, frame_ms: float = 20.0
) -> tuple[int, int]:
    """Return the first sample, and the one after the last, of what is not silence."""
    levels = frame_levels_db(wave, sample_rate, frame_ms=frame_ms)
    return loud_span(levels, len(wave), sample_rate, below_db=below_db, frame_ms=frame_ms)


def loud_span(
    levels: Wave, length: int, sample_rate: int, *, below_db: float = 40.0, frame_ms: float = 20.0
) -> tuple[int, int]:
    """Return the same of a clip of `length` samples whose frames have these levels, dB."""
    loud = np.flatnonzero(levels > max(levels.max() - below_db, -119.0))
    if not len(loud):
        return 0, length
    size = min(length, samples_of(frame_ms, sample_rate))
    stop = length if loud[-1] == len(levels) - 1 else int(loud[-1] + 1) * size
    return int(loud[0]) * size, stop
