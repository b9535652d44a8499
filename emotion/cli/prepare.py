"""The command `prepare`: index and waveform cache, and what could not be used."""

import time
from pathlib import Path

import pandas as pd

from emotion.cli.commands import OK
from emotion.config.composition import Config
from emotion.data.corpora.index import Index, open_clips, summarise_skipped
from emotion.data.dask_cluster import on_cluster
from emotion.data.waveform_cache import Cache
from emotion.utils.progress import bars
from emotion.utils.tables import write_table


def run(config: Config) -> int:
    """Index the clips and cache their waveforms; return the exit code."""
    print(prepare(config))
    return OK


def open_dataset(config: Config) -> tuple[Index, Cache]:
    """Return the composed dataset's index and cache, built where they are missing."""
    return open_clips(
        config.build("dataset"),
        config.build("preprocessing"),
        cache_dir=Path(config["cache_dir"]),
        progress=bars("decoding"),
    )


def prepare(config: Config) -> str:
    """Build index and cache; return what a person wants to know of them."""
    start = time.perf_counter()
    with on_cluster(config["scheduler"]):
        index, cache = open_dataset(config)
    seconds = time.perf_counter() - start
    skipped = cache.folder / "left_out.csv"
    write_table(skipped, index.skipped)
    lines = [
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
        emotions = ", ".join(
            f"{name} {count:,}" for name, count in clips["emotion"].value_counts().items()
        )
        lines.append(
            f"{corpus}: {len(clips):,} clips, {_hours(clips):.2f} h, "
            f"{clips['speaker'].nunique()} speakers; {emotions}"
        )
    return lines


def _hours(table: pd.DataFrame) -> float:
    return float((table["frames"] / table["sample_rate"]).sum() / 3600)
