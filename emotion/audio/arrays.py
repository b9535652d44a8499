"""Samples in memory as a wave: integers are scaled, channels mixed down, the rest is refused."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import MAX_RATE, MIN_RATE, Wave
from emotion.audio.mono import mix_down
from emotion.errors import AudioError, ConfigError

INTEGERS = {"uint8": 128, "int8": 0, "int16": 0, "int32": 0}
"""Types of integer samples, as audio files have them, and their value of silence."""

MAX_CHANNELS, MIN_FRAMES = 8, 65
"""Of an array with two axes: the shorter one has the channels if it is clear that it has."""


def as_wave(samples: npt.ArrayLike, *, empty: bool = False) -> Wave:
    """Return samples as one channel, (T,) float32, full scale at 1.

    Args:
        samples: (T,), (T, channels) or (channels, T), floats with full scale at 1, or integers of
            8, 16 or 32 bits, which are scaled. Channels are mixed down.
        empty: whether (0,) is allowed.

    Raises:
        ConfigError: another type or shape, no samples, or samples that are not finite.
    """
    try:
        array = np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as err:
        raise ConfigError(f"samples cannot be used as an array ({err}).") from err
    if array.ndim == 1 and not array.size and empty:
        return np.zeros(0, dtype=np.float32)
    midpoint = INTEGERS.get(array.dtype.name, 0)
    if array.dtype.kind != "f" and array.dtype.name not in INTEGERS:
        raise _error(array, "the type is not one of audio samples")
    with np.errstate(over="ignore"):  # infinite values are refused below
        frames = _time_first(array).astype(np.float32, copy=False)
    if array.dtype.kind != "f":
        frames = (frames - midpoint) / 2 ** (8 * array.itemsize - 1)
    try:
        wave, _ = mix_down(frames)
    except AudioError as err:
        raise _error(array, f"the array {err}") from err
    return wave


def check_sample_rate(sample_rate: Any) -> int:
    """Return a sample rate in Hz as an integer.

    Raises:
        ConfigError: it is not a whole number, or out of range.
    """
    whole = isinstance(sample_rate, int | float | np.number) and not isinstance(sample_rate, bool)
    if not whole or not MIN_RATE <= sample_rate <= MAX_RATE or sample_rate % 1:
        raise ConfigError(
            f"sample_rate={sample_rate!r} cannot be used: give a whole number of Hz, "
            f"{MIN_RATE} to {MAX_RATE}."
        )
    return int(sample_rate)


def _time_first(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array as (T, channels)."""
    if not array.size:
        raise _error(array, "there are no samples")
    if array.ndim == 1 or (array.ndim == 2 and 1 in array.shape):
        return array.reshape(-1, 1)
    if array.ndim == 2 and min(array.shape) <= MAX_CHANNELS < MIN_FRAMES <= max(array.shape):
        return array if array.shape[0] > array.shape[1] else array.T
    raise _error(array, "which axis is time, and which are the channels, is not clear")


def _error(array: npt.NDArray[Any], reason: str) -> ConfigError:
    return ConfigError(
        f"samples of shape {array.shape} and type {array.dtype} cannot be used: {reason}. Give "
        "(T,), (T, channels) or (channels, T), finite floats in -1…1 or integers of 8, 16 or 32 "
        "bits."
    )
