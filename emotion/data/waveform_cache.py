"""Waveforms decoded and standardised once, then one flat file on disk that is never decoded again.

A cache is a folder named by a hash of all that went into it: the preprocessing, the format and
every file's path, size and time of change. It is built in parts beside its place, by all cores,
under a lock, and renamed when whole: a killed build is continued, a stale one is never found.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed

from emotion.audio.clip_statistics import ClipStatistics
from emotion.audio.quantise import Samples, dequantise
from emotion.audio.standardise import Standardiser
from emotion.data.waveform_cache_worker import COLUMNS, CachePart, build_part
from emotion.errors import CacheError
from emotion.utils.files import sync_folder, write_text, written_whole
from emotion.utils.tables import read_table, write_table

FORMAT = 3
SAMPLES = "samples.bin"
SKIPPED = ["path", "reason"]
PART_CLIPS = 128
ALONE_CLIPS = 64
"""Up to this many clips are done in this process: starting others would take longer."""

NUMBERS = {
    **{
        field.name: "float64" for field in dataclasses.fields(ClipStatistics) if field.type is float
    },
    "clipped": "int64",
    "offset": "int64",
    "length": "int64",
    "scale": "float64",
}

Progress = Callable[[int, int], None]
"""Called with the clips done and the clips in all."""


@dataclass(frozen=True)
class Cache:
    """An opened cache. `index` has one row per clip: path, offset, length, scale, statistics."""

    folder: Path
    index: pd.DataFrame
    skipped: pd.DataFrame
    sample_rate: int
    dtype: str

    @property
    def key(self) -> str:
        """The hash of all that went into the cache."""
        return self.folder.name

    @property
    def samples_file(self) -> Path:
        """The flat file: every clip's samples behind one another, then zeros for one clip."""
        return self.folder / SAMPLES

    def samples(self) -> Samples:
        """Return all samples as one flat array that is read from the disk when touched."""
        return np.memmap(self.samples_file, dtype=self.dtype, mode="r")

    def wave(self, row: int) -> npt.NDArray[np.float32]:
        """Return one clip, (T,) float32, as every model is fed it."""
        entry = self.index.iloc[row]
        samples = self.samples()[entry.offset : entry.offset + entry.length]
        return dequantise(samples, entry.scale)


def open_cache(
    table: pd.DataFrame,
    standardiser: Standardiser,
    *,
    root: Path,
    folder: Path,
    jobs: int = -1,
    progress: Progress | None = None,
) -> Cache:
    """Return the cache of a table's clips, built first where it is missing.

    Args:
        table: one row a clip with path (relative to `root`), size and mtime_ns.
        standardiser: what every clip goes through.
        root: where the clips lie.
        folder: where caches lie.
        jobs: processes that decode; -1 for one a core.
        progress: told after every part.

    Raises:
        CacheError: no clip can be used, or a file changed while it was read.
    """
    final = folder / cache_key(table, standardiser)
    if not final.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{final.name}.lock"):
            if not final.is_dir():
                _build(table, standardiser, root=root, final=final, jobs=jobs, progress=progress)
    return _open(final)


def cache_key(table: pd.DataFrame, standardiser: Standardiser) -> str:
    """Return the hash that names a cache."""
    digest = hashlib.sha256()
    settings = {"format": FORMAT, **dataclasses.asdict(standardiser)}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    digest.update(
        table[["path", "size", "mtime_ns"]].to_csv(index=False).encode(errors="surrogateescape")
    )
    return digest.hexdigest()[:20]


def _open(folder: Path) -> Cache:
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        cache = Cache(
            folder=folder,
            index=read_table(folder / "index.csv", NUMBERS),
            skipped=read_table(folder / "skipped.csv"),
            sample_rate=int(about["sample_rate"]),
            dtype=str(about["dtype"]),
        )
        size = cache.samples_file.stat().st_size
        if len(cache.index) != about["clips"] or not {"path", *NUMBERS} <= set(cache.index):
            raise ValueError("index.csv is another one")
        if list(cache.skipped) != SKIPPED:
            raise ValueError("skipped.csv is another one")
    except (OSError, ValueError, KeyError) as err:
        raise CacheError(
            f"cache {folder} is damaged ({err}). Delete that folder, run again."
        ) from err
    if size != about["bytes"]:
        raise CacheError(
            f"cache {folder} is damaged: samples.bin has {size} bytes, not {about['bytes']}. "
            "Delete that folder, run again."
        )
    return cache


def _build(
    table: pd.DataFrame,
    standardiser: Standardiser,
    *,
    root: Path,
    final: Path,
    jobs: int,
    progress: Progress | None,
) -> None:
    """Build a cache beside its place, part after part, and rename it when it is whole."""
    partial = final.with_name(f"{final.name}.partial")
    partial.mkdir(exist_ok=True)
    if not (partial / "about.json").exists():
        _build_parts(table, standardiser, root=root, partial=partial, jobs=jobs, progress=progress)
    for leftover in list(partial.glob("part-*")) + list(partial.glob(".*")):
        leftover.unlink()
    partial.rename(final)
    sync_folder(final.parent)


def _build_parts(
    table: pd.DataFrame,
    standardiser: Standardiser,
    *,
    root: Path,
    partial: Path,
    jobs: int,
    progress: Progress | None,
) -> None:
    """Write the parts that are missing, then put all of them together.

    Other processes fill the files; this one, which waits for them, sees to the disk.
    """
    # Whole paths: the processes may be elsewhere, on other machines of the same file system.
    root, partial = root.absolute(), partial.absolute()
    parts = _divide(table, standardiser, partial)
    todo = [part for part in parts if not part.index.exists()]
    for file in {part.samples for part in todo}:
        file.touch()
    if standardiser.length is not None:
        size = (len(table) + 1) * standardiser.length * np.dtype(standardiser.storage).itemsize
        os.truncate(partial / SAMPLES, size)
    done = len(table) - sum(len(part.clips) for part in todo)
    workers = Parallel(n_jobs=1 if len(table) <= ALONE_CLIPS else jobs, return_as="generator")
    built = workers(delayed(build_part)(part, standardiser, root) for part in todo)
    for part, rows in zip(todo, built, strict=True):
        with part.samples.open("rb") as written:
            os.fsync(written.fileno())
        write_table(part.index, pd.DataFrame(rows, columns=COLUMNS, dtype=object))
        done += len(part.clips)
        if progress is not None:
            progress(done, len(table))
    _join(parts, standardiser, partial)


def _divide(table: pd.DataFrame, standardiser: Standardiser, partial: Path) -> list[CachePart]:
    """Return a table's clips in parts.

    Clips of one length have their places in the one file from the start. Others go to a file a
    part first.
    """
    clips = list(zip(*(table[name].tolist() for name in ("path", "size", "mtime_ns")), strict=True))
    parts = []
    for start in range(0, len(clips), PART_CLIPS):
        index = partial / f"part-{start // PART_CLIPS:05}.csv"
        some, length = clips[start : start + PART_CLIPS], standardiser.length
        if length is None:
            parts.append(CachePart(some, index, index.with_suffix(".bin"), 0))
        else:
            parts.append(CachePart(some, index, partial / SAMPLES, start * length))
    return parts


def _join(parts: list[CachePart], standardiser: Standardiser, partial: Path) -> None:
    """Put the parts into one file and one index; about.json, written last, says that it is done."""
    rows = pd.concat([read_table(part.index) for part in parts], ignore_index=True)
    failed = rows["error"] != ""
    index = rows[~failed].drop(columns="error")
    if not len(index):
        shutil.rmtree(partial)
        why = f" ({rows.path[0]} {rows.error[0]})" if len(rows) else ""
        raise CacheError(f"none of the clips can be read{why}.")
    samples = partial / SAMPLES
    if standardiser.length is None:
        lengths = index["length"].astype("int64")
        index["offset"] = lengths.cumsum() - lengths
        with written_whole(samples) as file:
            for part in parts:
                with part.samples.open("rb") as source:
                    shutil.copyfileobj(source, file, 16 << 20)
            file.write(bytes(int(lengths.max()) * np.dtype(standardiser.storage).itemsize))
    write_table(partial / "index.csv", index)
    skipped = rows.loc[failed, ["path", "error"]].rename(columns={"error": "reason"})
    write_table(partial / "skipped.csv", skipped)
    about = {
        "format": FORMAT,
        "preprocessing": dataclasses.asdict(standardiser),
        "sample_rate": standardiser.sample_rate,
        "dtype": standardiser.storage,
        "clips": len(index),
        "bytes": samples.stat().st_size,
    }
    write_text(partial / "about.json", json.dumps(about, indent=2) + "\n")
