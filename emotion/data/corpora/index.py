"""Index of a dataset: one row per clip from all readers, with the header of each file.

Headers are cached by path, size and modification time, so that a second call opens no audio file.
After another change of its status (ctime), a file is opened again only if its first or last bytes
differ.
"""

import hashlib
import itertools
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed

from emotion.audio.clip_statistics import SILENT_DB
from emotion.audio.decode import frame_at, header_rows
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.find_audio import change_time, edge_hash, file_status
from emotion.data.corpora.readers import ROW, PatternReader, check_columns
from emotion.data.labels import KNOWN_LABELS
from emotion.data.segments import (
    DIGITS,
    END,
    START,
    TIME_TYPES,
    TIMES,
    WHOLE,
    clip_key,
    clip_names,
    time_error,
)
from emotion.data.spellings import merge_spellings
from emotion.data.waveform_cache import Progress, WaveformCache, open_waveform_cache
from emotion.errors import CorpusError
from emotion.utils.files import READ_ONLY_ERRORS, build_folder
from emotion.utils.locks import SharedLock
from emotion.utils.names import path_key
from emotion.utils.printable import printable
from emotion.utils.tables import read_table, write_table

FORMAT_VERSION = 2  # of the cached headers
FILE_COLUMNS = ["path", "size", "mtime_ns", "ctime_ns"]
HEADER_TYPES = dict.fromkeys((*FILE_COLUMNS[1:], "sample_rate", "frames", "channels"), "int64")
HEADER_COLUMNS = ["path", *HEADER_TYPES, "container", "file_hash", "error"]
HEADERS_PER_TASK = 2048  # for one process; up to this many are read without other processes
COUNT_TOLERANCE = 0.02  # a clip count that differs more from the published one is reported

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """All clips of a dataset.

    `table` has the columns of `ROW` (with segments: start and end behind path), then sample_rate
    (Hz), frames (of the clip), channels, container, file_hash (see `edge_hash`) and, once the clips
    are decoded, those of `ClipStatistics`; `skipped` (path, reason) lists the clips that were left
    out, `left_out` the number of clips of each class that is not among the labels; `notes` are
    sentences for logs and reports; `lock` keeps generated clips from `emotion prune`.
    """

    table: pd.DataFrame
    skipped: pd.DataFrame
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    root: Path
    lock: SharedLock | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of the clips, their files and labels, independent of the root folder."""
        table = self.table[[*clip_key(self.table), "corpus", "speaker", "emotion", "file_hash"]]
        text = table.assign(path=table["path"].map(path_key)).to_csv(index=False)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:20]


def build_index(dataset: Dataset, folder: Path) -> Index:
    """Return the index of a dataset with all its emotions, sorted by path.

    Args:
        dataset: corpora to scan; missing synthetic clips are generated.
        folder: folder of the cached headers.

    Raises:
        CorpusError: a corpus is missing, or none of its files can be used.
    """
    lock = build_folder(dataset.root, dataset.generate) if dataset.generate else None
    rows: list[dict[str, object]] = []
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []
    for reader in dataset.readers.values():
        scan = reader.scan(dataset.root)
        own = {key for row in scan.rows for key in row}
        check_columns(sorted(own.difference(ROW)), f"the reader of {reader.corpus}")
        rows += scan.rows
        skipped += scan.skipped
        found, published = len(scan.rows), reader.published
        if published is not None and abs(found - published) > COUNT_TOLERANCE * published:
            notes.append(f"{reader.corpus}: {found:,} clips here, {published:,} were published")
    table = _clip_table(rows)
    _check_one_root(table, dataset)
    table, merged = merge_spellings(_distinct_paths(table, skipped), dataset.labels)
    notes += merged
    files = table.drop_duplicates("path")
    headers = _read_headers(files, dataset.root, folder).drop(columns=FILE_COLUMNS[1:])
    table = table.merge(headers, on="path", validate="m:1")
    if START in table:
        table = _measure_segments(table)
    unusable = table["error"] != ""
    skipped += list(zip(clip_names(table[unusable]), table["error"][unusable], strict=True))
    table = table[~unusable].drop(columns="error").reset_index(drop=True)
    if not len(table):
        first = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
        raise CorpusError(
            f"none of the {len(skipped)} files under {dataset.root} is a usable clip{first}."
        )
    return Index(
        table=table,
        skipped=pd.DataFrame(skipped, columns=["path", "reason"]),
        labels=dataset.labels or found_labels(table["emotion"]),
        notes=tuple(notes),
        root=dataset.root,
        lock=lock,
    )


def open_clips(
    dataset: Dataset,
    standardiser: Standardiser,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[Index, WaveformCache]:
    """Return the index of the usable clips of a dataset, and its cache, built if missing."""
    index = build_index(dataset, cache_dir / "index")
    cache = open_waveform_cache(
        index.table, standardiser, root=dataset.root, folder=cache_dir / "waves", progress=progress
    )
    return select_clips(index, cache), cache


def select_clips(index: Index, cache: WaveformCache) -> Index:
    """Return the index with the statistics of the cache, its unusable rows moved to `skipped`.

    Unusable are clips that could not be decoded, are silent, have a class that is not among the
    labels, or have the same samples as a clip with another label.

    Raises:
        CorpusError: no clip has one of the labels.
    """
    table = merge_decoded(index.table, cache.index.assign(row=range(len(cache.index))))
    reasons = pd.Series("", index=table.index)
    reasons[table["loudest_db"] < SILENT_DB] = "is silent"
    reasons = reasons.mask(reasons == "", _conflicts(table))
    foreign = ~table["emotion"].isin(index.labels)
    reasons[foreign] = "is of the class " + table["emotion"] + ", which dataset.labels leaves out"
    out = reasons != ""
    skipped = pd.DataFrame({"path": clip_names(table)[out], "reason": reasons[out]})
    kept = table[~out].reset_index(drop=True)
    if not len(kept):
        found = found_labels(table["emotion"])
        raise CorpusError(
            f"no clip belongs to the classes {', '.join(index.labels)}; the corpus has "
            f"{', '.join(found)}. Set dataset.labels=[{','.join(found)}]."
        )
    skipped = pd.concat([index.skipped, cache.skipped, skipped], ignore_index=True)
    warned = cache.index[cache.index["warning"] != ""]
    warnings = summarise_files(clip_names(warned), warned["warning"])
    others = table["emotion"][foreign].value_counts().sort_index()
    left_out = {str(name): int(count) for name, count in others.items()}
    notes = (*index.notes, *warnings)
    return replace(index, table=kept, skipped=skipped, notes=notes, left_out=left_out)


def merge_decoded(table: pd.DataFrame, decoded: pd.DataFrame) -> pd.DataFrame:
    """Return the index of the decoded clips with the columns of the waveform cache's index.

    The number of decoded frames replaces that of the header, which may be an estimate.
    """
    columns = decoded.drop(columns=["frames", "warning"])
    frames = decoded["frames"].set_axis(clip_names(decoded))
    merged = table.merge(columns, on=clip_key(table), how="inner", validate="1:1")
    return merged.assign(frames=clip_names(merged).map(frames))


def found_labels(emotions: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that occur: known ones in their usual order, then others by name."""
    found = set(emotions)
    known = [label for label in KNOWN_LABELS if label in found]
    return (*known, *sorted(found.difference(known)))


def summarise_skipped(skipped: pd.DataFrame) -> list[str]:
    """Return one line per reason: the number of files and one of them."""
    return [f"left out: {line}" for line in summarise_files(skipped["path"], skipped["reason"])]


def summarise_files(paths: pd.Series, remarks: pd.Series) -> list[str]:
    """Return one line per remark about files: their number and one of them."""
    lines = []
    for remark, count in Counter(remarks).most_common():
        first = paths[remarks == remark].iloc[0]
        if count == 1:
            lines.append(f"{first} {remark}")
        else:
            lines.append(f"{count} files, each {remark}, such as {first}")
    return [printable(line) for line in lines]


def _check_one_root(table: pd.DataFrame, dataset: Dataset) -> None:
    """Raise CorpusError if a corpus has no clip below the root, or two corpora have the same clip.

    That happens where two datasets are combined, and the root of one replaces that of the other.
    """
    advice = (
        f"All corpora of a dataset are below one root, here {dataset.root}. Set root to a folder "
        "that contains all of them, and the `folder` of each reader below it."
    )
    if len(dataset.readers) < 2 or not len(table):
        return
    for name, reader in dataset.readers.items():
        if isinstance(reader, PatternReader) and reader.corpus not in set(table["corpus"]):
            raise CorpusError(f"{name}: no file matches the pattern of this corpus. {advice}")
    names = clip_names(table)
    twice = names[names.duplicated(keep=False)]
    if len(twice):
        name = twice.iloc[0]
        first, second, *_ = table["corpus"][names == name]
        raise CorpusError(f"{name} is a clip of both {first} and {second}. {advice}")


def _distinct_paths(table: pd.DataFrame, skipped: list[tuple[str, str]]) -> pd.DataFrame:
    """Return the rows of paths that differ by more than their Unicode form; skip the others."""
    keys = table["path"].map(path_key)
    first = table.groupby(keys)["path"].transform("first")
    again = table["path"] != first
    for path, other in zip(table["path"][again], first[again], strict=True):
        skipped.append((path, f"has the name of {other!a} in another Unicode form"))
    return table[~again].reset_index(drop=True)


def _clip_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return the rows of all readers, sorted; where one has segments, all have start and end."""
    found = dict.fromkeys(key for row in rows for key in row)
    times = TIMES if set(TIMES) & set(found) else ()
    table = pd.DataFrame(rows, columns=list(dict.fromkeys(["path", *times, *ROW, *found])))
    if times:
        table = table.fillna(WHOLE).astype(TIME_TYPES).round(dict.fromkeys(TIMES, DIGITS))
    return table.sort_values(clip_key(table), ignore_index=True)


def _measure_segments(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the frames of each segment, and an error for impossible ones."""
    clips = zip(table[START], table[END], table["sample_rate"], table["frames"], strict=True)
    frames = [
        (frame_at(end, rate) if end < math.inf else length) - frame_at(start, rate)
        for start, end, rate, length in clips
    ]
    wrong = [time_error(*times) for times in zip(table[START], table[END], strict=True)]
    return table.assign(frames=frames, error=table["error"].mask(table["error"] == "", wrong))


def _conflicts(table: pd.DataFrame) -> pd.Series:
    """Return the reason to leave out clips whose samples occur with several labels, else ""."""
    labels = table.groupby("audio_hash")["emotion"].transform("nunique")
    reasons = pd.Series("", index=table.index)
    names = clip_names(table)
    for _, twins in names[labels > 1].groupby(table["audio_hash"]):
        for name in twins:
            others = ", ".join(twins[twins != name])
            reasons[names == name] = f"is the same recording as {others}, with another label"
    return reasons


def _read_headers(table: pd.DataFrame, root: Path, folder: Path) -> pd.DataFrame:
    """Return the header of every clip; opens only files that are new, changed or failed before."""
    version = f"{FORMAT_VERSION} {root.resolve()}".encode(errors="surrogateescape")
    name = hashlib.sha256(version).hexdigest()[:16]
    file = folder / f"{name}.csv"
    root = root.absolute()  # also valid in processes on other machines
    ctimes = [change_time(path) for path in _full_paths(table["path"], root)]
    files = table[FILE_COLUMNS[:3]].assign(ctime_ns=np.array(ctimes, dtype="int64"))
    cached = _cached_headers(file)
    headers = _merge_headers(files, cached)
    if headers["container"].isna().any():  # else no lock: the folder may be read-only
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{name}.lock"):
                cached = _update_headers(files, _cached_headers(file), root)
                write_table(file, cached)
        except OSError as err:
            if err.errno not in READ_ONLY_ERRORS or not _all_known(files, cached):
                raise
            cached = _update_headers(files, cached, root)
        headers = _merge_headers(files, cached)
    return headers.astype(HEADER_TYPES)


def _update_headers(files: pd.DataFrame, cached: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return the cached headers with those of new, changed and failed files."""
    pairs = files.merge(cached, on=FILE_COLUMNS[:3], suffixes=("", "_cached"))
    touched = pairs[pairs["ctime_ns"] != pairs["ctime_ns_cached"]]
    same = touched[touched["file_hash"] == _edge_hashes(touched["path"], root)]
    cached = pd.concat([cached[~cached["path"].isin(touched["path"])], same[HEADER_COLUMNS]])
    new = files[_merge_headers(files, cached)["container"].isna().to_numpy()]
    if not len(new):
        return cached
    fresh = _open_headers(new, root)
    kept = cached[~cached["path"].isin(new["path"])]
    return pd.concat([kept, fresh], ignore_index=True) if len(kept) else fresh


def _merge_headers(files: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return the header of every file, with missing values for files without a header."""
    return files.merge(headers, on=FILE_COLUMNS, how="left", validate="1:1")


def _all_known(files: pd.DataFrame, cached: pd.DataFrame) -> bool:
    """Return whether each file has a header but for its ctime."""
    return len(files.merge(cached, on=FILE_COLUMNS[:3])) == len(files)


def _cached_headers(file: Path) -> pd.DataFrame:
    """Return the cached headers except failed ones: a change of permissions leaves no trace."""
    if not file.exists():
        return pd.DataFrame(columns=HEADER_COLUMNS)
    cached = read_table(file, HEADER_TYPES)
    return cached[cached["error"] == ""]


def _open_headers(files: pd.DataFrame, root: Path) -> pd.DataFrame:
    paths = [Path(path) for path in _full_paths(files["path"], root)]
    starts = range(0, len(paths), HEADERS_PER_TASK)
    workers = Parallel(n_jobs=1 if len(starts) <= 1 else -1)
    batches = workers(
        delayed(header_rows)(paths[start : start + HEADERS_PER_TASK]) for start in starts
    )
    headers = pd.DataFrame(itertools.chain(*batches)).assign(
        file_hash=_edge_hashes(files["path"], root)
    )
    headers = pd.concat([files.reset_index(drop=True), headers[HEADER_COLUMNS[4:]]], axis=1)
    statuses = [file_status(str(path)) for path in paths]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in statuses]
    before = list(zip(headers["size"], headers["mtime_ns"], strict=True))
    changed = pd.Series(now, dtype=object) != pd.Series(before, dtype=object)
    headers.loc[changed & (headers["error"] == ""), "error"] = "changed while it was read"
    return headers


def _edge_hashes(paths: pd.Series, root: Path) -> list[str]:
    """Return the hash of the first and last bytes of each file."""
    threads = Parallel(prefer="threads", n_jobs=-1 if len(paths) > HEADERS_PER_TASK else 1)
    return list(threads(delayed(edge_hash)(path) for path in _full_paths(paths, root)))


def _full_paths(paths: pd.Series, root: Path) -> list[str]:
    return [os.path.join(root, path) for path in paths]  # noqa: PTH118 - 100,000 times
