"""How a cache stores a clip's samples, and the one way back."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]

MIN_PEAK = 1e-30
"""Under this peak all samples are stored as 0: their scale would be no float32."""


def quantise(wave: npt.NDArray[np.float32], dtype: str) -> tuple[Samples, float]:
    """Return a clip as it is stored, and the scale that brings it back."""
    if dtype == "float32":
        return wave, 1.0
    peak = float(np.abs(wave).max(initial=0.0))
    scale = peak / 32767 if peak > MIN_PEAK else 1.0
    return np.round(wave / np.float32(scale)).astype(np.int16), scale


def dequantise(samples: Samples, scale: float) -> npt.NDArray[np.float32]:
    """Return stored samples as float32: the one arithmetic of training and of prediction."""
    out: npt.NDArray[np.float32] = samples.astype(np.float32) * np.float32(scale)
    return out
