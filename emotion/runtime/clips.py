"""Decode a clip for a prediction: at most ten minutes, whatever the file."""

import math
from collections.abc import Callable
from pathlib import Path

from emotion.audio.decode import Wave, decode

MAX_DECODED_S, MAX_DECODED_SAMPLES = 600.0, 1 << 26
"""Seconds, and samples of all channels, decoded of a clip."""


def decode_clip(
    path: Path,
    *,
    window_s: float,
    start_s: float = 0.0,
    end_s: float = math.inf,
    warn: Callable[[str], object],
) -> tuple[Wave, int]:
    """Return the samples of a file between two times, mono (T,), and their rate in Hz.

    Args:
        path: the file.
        window_s: length of a clip that the model classifies, in seconds.
        start_s: of the clip, in seconds.
        end_s: of the clip, in seconds; infinite for the file's end.
        warn: called with sentences that follow the file's name.

    Raises:
        AudioError: the file cannot be read; the reason is phrased to follow its name.
    """
    wave, rate = decode(
        path,
        start_s=start_s,
        stop_s=min(end_s, start_s + MAX_DECODED_S),
        max_samples=MAX_DECODED_SAMPLES,
        truncate=True,
        warn=warn,
    )
    cut = end_s - start_s > MAX_DECODED_S and len(wave) >= round(MAX_DECODED_S * rate)
    if cut and window_s > MAX_DECODED_S:
        warn(f"is long: only its first {MAX_DECODED_S:g} s are classified")
    return wave, rate
