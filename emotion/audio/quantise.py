"""Quantisation of a clip's samples for the waveform cache, and its inverse."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]

MIN_PEAK = 1e-30  # below it all samples are stored as 0: float32 could not hold their scale


def quantise(wave: npt.NDArray[np.float32], dtype: str) -> tuple[Samples, float]:
    """Return the stored samples of a clip, (T,), and their scale for `dequantise`."""
    if dtype == "float32":
        return wave, 1.0
    peak = max(float(wave.max(initial=0.0)), -float(wave.min(initial=0.0)))
    scale = peak / 32767 if peak > MIN_PEAK else 1.0
    scaled = wave / np.float32(scale)
    return np.round(scaled, out=scaled).astype(np.int16), scale


def dequantise(samples: Samples, scale: float) -> npt.NDArray[np.float32]:
    """Return stored samples, (T,), as float32; training and prediction share this rounding."""
    out: npt.NDArray[np.float32] = samples.astype(np.float32) * np.float32(scale)
    return out
