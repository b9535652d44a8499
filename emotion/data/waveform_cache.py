"""Waveform cache: decoded and standardised clips in one flat file on disk.

A cache is a folder named by a hash of its inputs: the preprocessing, the format version, the times
of segments, and each file's path, size, modification time and hash of its first and last bytes.
Several processes build it in parts. A killed build is continued, and a stale cache is never opened.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from emotion.audio.quantise import Samples, dequantise
from emotion.audio.standardise import Standardiser
from emotion.data.segments import TIME_TYPES, clip_key, clip_names
from emotion.data.waveform_cache_worker import COLUMNS, STATISTICS, CachePart, build_part
from emotion.errors import CacheError
from emotion.utils.files import build_folder, write_json, written_whole
from emotion.utils.locks import SharedLock
from emotion.utils.tables import read_table, write_table

FORMAT_VERSION = 4
ABOUT = "about.json"
SAMPLES = "samples.bin"
SKIPPED_COLUMNS = ["path", "reason"]
PART_CLIPS = 128
SINGLE_PROCESS_CLIPS = 64  # up to this many are decoded here: starting processes takes longer

NUMERIC_COLUMNS = {
    **dict.fromkeys(("clipped", "frames", "offset", "length"), "int64"),
    **{name: "float64" for name in ("scale", *STATISTICS) if name not in ("audio_hash", "clipped")},
}

Progress = Callable[[int, int], None]  # called with the numbers of finished and of all clips


@dataclass(frozen=True)
class WaveformCache:
    """An opened cache.

    `index` has one row per clip: its key, warning (a sentence about decoding, or empty), frames
    (decoded samples), offset, length, scale, statistics.
    """

    folder: Path
    index: pd.DataFrame
    skipped: pd.DataFrame
    sample_rate: int
    dtype: str
    lock: SharedLock

    @property
    def key(self) -> str:
        """Hash of the inputs of the cache."""
        return self.folder.name

    @property
    def samples_file(self) -> Path:
        """Flat file of the samples of all clips in order, then zeros for one clip."""
        return self.folder / SAMPLES

    def samples(self) -> Samples:
        """Return all samples as one flat, memory-mapped array."""
        return np.memmap(self.samples_file, dtype=self.dtype, mode="r")

    def wave(self, row: int) -> npt.NDArray[np.float32]:
        """Return one clip as the models receive it, (T,) float32."""
        entry = self.index.iloc[row]
        samples = self.samples()[entry.offset : entry.offset + entry.length]
        return dequantise(samples, entry.scale)


def open_waveform_cache(
    table: pd.DataFrame,
    standardiser: Standardiser,
    *,
    root: Path,
    folder: Path,
    jobs: int = -1,
    progress: Progress | None = None,
) -> WaveformCache:
    """Return the cache of a table's clips, built first where it is missing.

    `table` has one row per clip with path (relative to `root`), size, mtime_ns, file_hash and, for
    segments, start and end; `folder` is that of all waveform caches; `jobs` processes decode, -1
    for one per core.

    Raises:
        CacheError: no clip can be used, or a file changed while it was read.
    """
    final = folder / cache_key(table, standardiser)
    build = partial(_build, table, standardiser, root=root, jobs=jobs, progress=progress)
    return _open(final, build_folder(final, build))


def cache_key(table: pd.DataFrame, standardiser: Standardiser) -> str:
    """Return the hash that names a cache."""
    settings = {"format": FORMAT_VERSION, **dataclasses.asdict(standardiser)}
    path, *times = clip_key(table)
    files = table[[path, "size", "mtime_ns", "file_hash", *times]].to_csv(index=False)
    text = json.dumps(settings, sort_keys=True) + files
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:20]


def _open(folder: Path, lock: SharedLock) -> WaveformCache:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        cache = WaveformCache(
            folder=folder,
            index=read_table(folder / "index.csv", TIME_TYPES | NUMERIC_COLUMNS),
            skipped=read_table(folder / "skipped.csv"),
            sample_rate=int(about["sample_rate"]),
            dtype=str(about["dtype"]),
            lock=lock,
        )
        missing = {"path", *NUMERIC_COLUMNS}.difference(cache.index)
        if len(cache.index) != about["clips"] or missing:
            raise ValueError("index.csv does not match about.json")
        if list(cache.skipped) != SKIPPED_COLUMNS:
            raise ValueError(f"skipped.csv has not the columns {', '.join(SKIPPED_COLUMNS)}")
        size = cache.samples_file.stat().st_size
        if size != about["bytes"]:
            raise ValueError(f"samples.bin has {size} bytes, not {about['bytes']}")
    except (OSError, ValueError, KeyError) as err:
        advice = "Delete that folder, run again."
        raise CacheError(f"cache {folder} is damaged ({err}). {advice}") from err
    return cache


def _build(
    table: pd.DataFrame,
    standardiser: Standardiser,
    folder: Path,
    *,
    root: Path,
    jobs: int,
    progress: Progress | None,
) -> None:
    """Write the missing parts, then join all parts; about.json is written last."""
    if not (folder / ABOUT).exists():
        # Absolute paths: the processes may run on other machines with the same file system.
        root, folder = root.absolute(), folder.absolute()
        parts = _split_into_parts(table, standardiser, folder)
        _build_parts(parts, standardiser, root=root, jobs=jobs, progress=progress)
        _join(parts, standardiser, folder)
    for leftover in list(folder.glob("part-*")) + list(folder.glob(".*")):
        leftover.unlink()


def _build_parts(
    parts: list[CachePart],
    standardiser: Standardiser,
    *,
    root: Path,
    jobs: int,
    progress: Progress | None,
) -> None:
    """Write the missing parts; other processes write the samples, this one flushes them to disk."""
    missing = [part for part in parts if not part.index.exists()]
    total = sum(len(part.clips) for part in parts)
    for file in {part.samples for part in missing}:
        file.touch()
        if standardiser.length is not None:
            item_bytes = np.dtype(standardiser.storage).itemsize
            os.truncate(file, (total + 1) * standardiser.length * item_bytes)
    done = total - sum(len(part.clips) for part in missing)
    workers = Parallel(n_jobs=1 if total <= SINGLE_PROCESS_CLIPS else jobs, return_as="generator")
    built = workers(delayed(build_part)(part, standardiser, root) for part in missing)
    for part, rows in zip(missing, built, strict=True):
        with part.samples.open("rb") as written:
            os.fsync(written.fileno())
        found = pd.DataFrame(rows, dtype=object)
        columns = dict.fromkeys([*clip_key(found), *COLUMNS])
        write_table(part.index, found.reindex(columns=[*columns]))
        done += len(part.clips)
        if progress is not None:
            progress(done, total)


def _split_into_parts(
    table: pd.DataFrame, standardiser: Standardiser, folder: Path
) -> list[CachePart]:
    """Return a table's clips in parts.

    Clips of equal length are written to their final offsets in one file; clips of different
    lengths are first written to one file per part.
    """
    path, *times = clip_key(table)
    columns = (path, "size", "mtime_ns", *times)  # of a `Clip`
    clips = list(zip(*(table[name].tolist() for name in columns), strict=True))
    length = standardiser.length
    parts = []
    for start in range(0, len(clips), PART_CLIPS):
        index = folder / f"part-{start // PART_CLIPS:05}.csv"
        samples = index.with_suffix(".bin") if length is None else folder / SAMPLES
        offset = 0 if length is None else start * length
        parts.append(CachePart(clips[start : start + PART_CLIPS], index, samples, offset))
    return parts


def _join(parts: list[CachePart], standardiser: Standardiser, folder: Path) -> None:
    """Join the parts to one file and one index."""
    rows = pd.concat([read_table(part.index, TIME_TYPES) for part in parts], ignore_index=True)
    failed = rows["error"] != ""
    index = rows[~failed].drop(columns="error")
    if not len(index):
        shutil.rmtree(folder)
        example = f" ({clip_names(rows)[0]} {rows.error[0]})" if len(rows) else ""
        raise CacheError(f"none of the clips can be read{example}.")
    samples = folder / SAMPLES
    if standardiser.length is None:
        lengths = index["length"].astype("int64")
        index["offset"] = lengths.cumsum() - lengths
        with written_whole(samples) as file:
            for part in parts:
                with part.samples.open("rb") as source:
                    shutil.copyfileobj(source, file, 16 << 20)
            file.write(bytes(int(lengths.max()) * np.dtype(standardiser.storage).itemsize))
    write_table(folder / "index.csv", index)
    skipped = pd.DataFrame({"path": clip_names(rows), "reason": rows["error"]})[failed]
    write_table(folder / "skipped.csv", skipped)
    about = {
        "format": FORMAT_VERSION,
        "preprocessing": dataclasses.asdict(standardiser),
        "sample_rate": standardiser.sample_rate,
        "dtype": standardiser.storage,
        "clips": len(index),
        "bytes": samples.stat().st_size,
    }
    write_json(folder / ABOUT, about)
