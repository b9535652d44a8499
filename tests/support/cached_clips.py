"""Clips and their waveform cache, for tests."""

from pathlib import Path

import pandas as pd

from emotion.audio.standardise import Standardiser
from emotion.data.corpora.find_audio import edge_hash
from emotion.data.waveform_cache import WaveformCache, open_waveform_cache
from tests.support.archive import write_clip

FIXED = Standardiser(8_000, duration_ms=200)
OWN = Standardiser(8_000, max_duration_ms=900, padding="zero")


def write_clips(root: Path, count: int = 10) -> Path:
    for seed in range(count):
        write_clip(root / f"{seed:02}.wav", 0.1 + 0.02 * seed, seed=seed)
    return root


def table_of(root: Path) -> pd.DataFrame:
    files = sorted(path for path in root.iterdir() if path.suffix == ".wav")
    return pd.DataFrame(
        [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns, edge_hash(str(path)))
            for path in files
        ],
        columns=["path", "size", "mtime_ns", "file_hash"],
    )


def open_of(root: Path, standardiser: Standardiser = FIXED) -> WaveformCache:
    return open_waveform_cache(
        table_of(root), standardiser, root=root, folder=root / "cache", jobs=2
    )
