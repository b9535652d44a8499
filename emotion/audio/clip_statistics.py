"""What a clip is like before it is standardised: its identity, level and silence."""

import hashlib
from dataclasses import dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import frame_levels_db, loud_span

SILENT_DB = -80.0
"""A clip whose loudest 20 ms lie under this holds no voice (the quietest real ones peak at -44)."""

CLIPPED = 0.999
"""A sample that reaches this share of full scale."""


@dataclass(frozen=True)
class ClipStatistics:
    """One decoded clip, mono, at its own rate.

    `audio_hash` identifies the samples, whatever file holds them; `level_db` is that of the active
    part and `loudest_db` that of the loudest 20 ms, both re full scale; `lead_ms` and `tail_ms`
    are the silence at its ends, 40 dB under its own loudest frame.
    """

    audio_hash: str
    peak: float
    level_db: float
    loudest_db: float
    dc: float
    clipped: int
    lead_ms: float
    tail_ms: float


def measure(wave: Wave, sample_rate: int) -> ClipStatistics:
    """Return the facts of a decoded clip, (T,) float32."""
    levels = frame_levels_db(wave, sample_rate)
    start, stop = loud_span(levels, len(wave), sample_rate)
    mean = float(wave.mean())
    active = wave[start:stop] - np.float32(mean)
    power = float(np.dot(active, active)) / len(active)
    peak = max(float(wave.max()), -float(wave.min()))
    return ClipStatistics(
        audio_hash=hashlib.sha256(wave.data).hexdigest()[:32],
        peak=peak,
        level_db=round(10 * float(np.log10(max(power, 1e-12))), 3),
        loudest_db=round(float(levels.max()), 3),
        dc=round(mean, 6),
        clipped=int(np.count_nonzero(np.abs(wave) >= CLIPPED)) if peak >= CLIPPED else 0,
        lead_ms=round(1000 * start / sample_rate, 1),
        tail_ms=round(1000 * (len(wave) - stop) / sample_rate, 1),
    )
