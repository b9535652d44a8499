"""One channel from several: their mean, or one of them where the mean would cancel."""

import math

import numpy as np
import numpy.typing as npt

from emotion.errors import AudioError

MAX_PEAK = 2.0**31  # of samples, which may be 32-bit integers; squares of greater ones overflow
CANCELLED = 0.02
"""Power of the mean, as a fraction of that of uncorrelated channels, below which it is silence."""

OPPOSITE_PHASE = "has channels of opposite phase, whose mean is silence: one channel is used"


def mix_down(samples: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], bool]:
    """Return one channel, (T, channels) -> (T,), and whether the channels have opposite phase.

    It is the mean; of channels that cancel each other, as from a wire of reversed polarity, it is
    the one with the highest power.

    Raises:
        AudioError: with the reason, phrased to follow a file's name.
    """
    opposite = False
    with np.errstate(over="ignore", invalid="ignore"):  # rejected below
        wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
        if samples.shape[1] > 1:
            power = samples.var(axis=0, dtype=np.float64)
            limit = CANCELLED * power.mean() / samples.shape[1]
            opposite = bool(wave.var(dtype=np.float64) < limit)
            if opposite:
                wave = samples[:, int(power.argmax())]
    low, high = float(wave.min()), float(wave.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AudioError("holds samples that are not finite numbers")
    if max(high, -low) > MAX_PEAK:
        raise AudioError(f"holds samples far beyond full scale ({max(high, -low):.1g})")
    return np.ascontiguousarray(wave), opposite
