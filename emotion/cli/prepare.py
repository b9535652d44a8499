"""The command `prepare`: builds the index and the waveform cache, and lists unusable files."""

import time
from pathlib import Path

import pandas as pd

from emotion.cli.commands import OK
from emotion.config.build import build
from emotion.config.composition import Composition
from emotion.config.schema import DatasetSettings, PrepareSettings
from emotion.data.corpora.index import Index, open_clips, summarise_skipped
from emotion.data.corpora.label_counts import check_labels, labels_without_clips
from emotion.data.dask_cluster import on_cluster
from emotion.data.speakers import count_speakers
from emotion.data.waveform_cache import WaveformCache
from emotion.utils.progress import progress_bar
from emotion.utils.tables import write_table


def run(composition: Composition[PrepareSettings]) -> int:
    """Index the clips and cache their waveforms; return the exit code."""
    print(prepare(composition.settings))
    return OK


def open_dataset(settings: DatasetSettings) -> tuple[Index, WaveformCache]:
    """Return the index and waveform cache of a dataset, built where they are missing."""
    return open_clips(
        build(settings.dataset, "dataset"),
        build(settings.preprocessing, "preprocessing"),
        cache_dir=Path(settings.cache_dir),
        progress=progress_bar("decoding"),
    )


def prepare(settings: PrepareSettings) -> str:
    """Build index and cache; return a summary of clips, hours and skipped files."""
    start = time.perf_counter()
    with on_cluster(settings.scheduler):
        index, cache = open_dataset(settings)
    check_labels(index)
    seconds = time.perf_counter() - start
    skipped = cache.folder / "left_out.csv"
    write_table(skipped, index.skipped)
    missing = labels_without_clips(index)
    lines = [
        *([f"warning: no clip has the label {', '.join(missing)}"] if missing else []),
        *index.notes,
        *summarise_skipped(index.skipped),
        *_by_corpus(index.table),
        f"{len(index.table):,} clips, {_hours(index.table):.2f} h, in {seconds:.1f} s",
        f"cache: {cache.folder}",
    ]
    if len(index.skipped):
        lines.append(f"left out: {skipped}")
    return "\n".join(lines)


def _by_corpus(table: pd.DataFrame) -> list[str]:
    lines = []
    for corpus, clips in table.groupby("corpus"):
        counts = clips["emotion"].value_counts()
        emotions = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        lines.append(
            f"{corpus}: {len(clips):,} clips, {_hours(clips):.2f} h, "
            f"{count_speakers(clips)} speakers; {emotions}"
        )
    return lines


def _hours(table: pd.DataFrame) -> float:
    return float((table["frames"] / table["sample_rate"]).sum() / 3600)
