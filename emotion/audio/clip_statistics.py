"""Statistics of a clip before it is standardised: its hash, level, clipping and silence."""

import hashlib
from dataclasses import dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import frame_levels_db, in_blocks, nonsilent_interval

SILENT_DB = -80.0  # no speech if the loudest 20 ms are below it (quietest corpus clip: -44 dB)
CLIPPING_LEVEL = 0.999  # samples from this fraction of full scale on count as clipped


@dataclass(frozen=True)
class ClipStatistics:
    """Statistics of one decoded mono clip at its native rate.

    `audio_hash` is of the samples, whatever the file's name and container. `level_db` is the RMS
    level between leading and trailing silence (`lead_ms`, `tail_ms`: 40 dB below the loudest
    frame), `loudest_db` that of the loudest 20 ms, both re full scale. `clipped` counts samples.
    """

    audio_hash: str
    peak: float
    level_db: float
    loudest_db: float
    dc: float
    clipped: int
    lead_ms: float
    tail_ms: float


def measure_clip(wave: Wave, sample_rate: int) -> ClipStatistics:
    """Return the statistics of a decoded clip, (T,) float32."""
    levels = frame_levels_db(wave, sample_rate)
    start, stop = nonsilent_interval(wave, sample_rate, levels=levels)
    mean = float(wave.mean())
    energy = sum(_energy(block - np.float32(mean)) for block in in_blocks(wave[start:stop]))
    power = energy / (stop - start)
    return ClipStatistics(
        audio_hash=hashlib.sha256(wave.data).hexdigest()[:32],
        peak=max(float(wave.max()), -float(wave.min())),
        level_db=round(10 * float(np.log10(max(power, 1e-12))), 3),
        loudest_db=round(float(levels.max()), 3),
        dc=round(mean, 6),
        clipped=sum(_count_clipped(block) for block in in_blocks(wave)),
        lead_ms=round(1000 * start / sample_rate, 1),
        tail_ms=round(1000 * (len(wave) - stop) / sample_rate, 1),
    )


def _energy(wave: Wave) -> float:
    return float(np.dot(wave, wave))


def _count_clipped(wave: Wave) -> int:
    return int(np.count_nonzero(np.abs(wave) >= CLIPPING_LEVEL))
