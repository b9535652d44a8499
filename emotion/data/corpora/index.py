"""Index of a dataset: one row per clip from all readers, with the header of each file.

Headers are cached by path, size and modification time, so that a second call opens no audio file.
"""

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from filelock import FileLock
from joblib import Parallel, delayed

from emotion.audio.clip_statistics import SILENT_DB
from emotion.audio.decode import header_rows
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.find_audio import file_status
from emotion.data.corpora.readers import ROW
from emotion.data.labels import KNOWN_LABELS
from emotion.data.waveform_cache import Progress, WaveformCache, open_waveform_cache
from emotion.errors import CorpusError
from emotion.utils.files import build_folder
from emotion.utils.locks import SharedLock
from emotion.utils.printable import printable
from emotion.utils.tables import read_table, write_table

HEADER_TYPES = dict.fromkeys(("size", "mtime_ns", "sample_rate", "frames", "channels"), "int64")
KEY = ["path", "size", "mtime_ns"]
HEADER_COLUMNS = ["path", *HEADER_TYPES, "container", "error"]
SUFFIXES = ("_given", "")  # of a user's column and of a measured column with the same name
HEADERS_PER_TASK = 2048  # for one process; up to this many are read without other processes
COUNT_TOLERANCE = 0.02  # a clip count that differs more from the published one is reported

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """All clips of a dataset.

    `table` has the columns of `ROW`, then sample_rate (Hz), frames, channels, container and, once
    the clips are decoded, those of `ClipStatistics`; `skipped` (path, reason) lists the files that
    were left out; `notes` are sentences for logs and reports; `lock` keeps generated clips from
    `emotion prune`.
    """

    table: pd.DataFrame
    skipped: pd.DataFrame
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    root: Path
    lock: SharedLock | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the clips and their labels, independent of the root folder."""
        text = self.table[["path", "corpus", "speaker", "emotion"]].to_csv(index=False)
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
        rows += scan.rows
        skipped += scan.skipped
        found, published = len(scan.rows), reader.published
        if published is not None and abs(found - published) > COUNT_TOLERANCE * published:
            notes.append(f"{reader.corpus}: {found:,} clips here, {published:,} were published")
    columns = dict.fromkeys([*ROW, *(key for row in rows for key in row)])
    table = pd.DataFrame(rows, columns=list(columns)).sort_values("path", ignore_index=True)
    headers = _read_headers(table, dataset.root, folder).drop(columns=["size", "mtime_ns"])
    table = table.merge(headers, on="path", validate="1:1", suffixes=SUFFIXES)
    unusable = table["error"] != ""
    skipped += list(table.loc[unusable, ["path", "error"]].itertuples(index=False, name=None))
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
    decoded = cache.index.assign(row=range(len(cache.index)))
    table = index.table.merge(decoded, on="path", how="inner", validate="1:1", suffixes=SUFFIXES)
    reasons = pd.Series("", index=table.index)
    reasons[table["loudest_db"] < SILENT_DB] = "is silent"
    reasons = reasons.mask(reasons == "", _conflicts(table))
    foreign = ~table["emotion"].isin(index.labels)
    reasons[foreign] = "is of the class " + table["emotion"] + ", which dataset.labels leaves out"
    out = reasons != ""
    skipped = pd.DataFrame({"path": table["path"][out], "reason": reasons[out]})
    kept = table[~out].reset_index(drop=True)
    if not len(kept):
        found = found_labels(table["emotion"])
        raise CorpusError(
            f"no clip belongs to the classes {', '.join(index.labels)}; the corpus has "
            f"{', '.join(found)}. Set dataset.labels=[{','.join(found)}]."
        )
    skipped = pd.concat([index.skipped, cache.skipped, skipped], ignore_index=True)
    return replace(index, table=kept, skipped=skipped)


def found_labels(emotions: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that occur: known ones in their usual order, then others by name."""
    found = set(emotions)
    known = [label for label in KNOWN_LABELS if label in found]
    return (*known, *sorted(found.difference(known)))


def summarise_skipped(skipped: pd.DataFrame) -> list[str]:
    """Return one line per reason: the number of files and one of them."""
    lines = []
    for reason, count in Counter(skipped["reason"]).most_common():
        paths = skipped["path"][skipped["reason"] == reason]
        if count == 1:
            lines.append(f"left out: {paths.iloc[0]} {reason}")
        else:
            lines.append(f"left out: {count} files, each {reason}, such as {paths.iloc[0]}")
    return [printable(line) for line in lines]


def _conflicts(table: pd.DataFrame) -> pd.Series:
    """Return the reason to leave out clips whose samples occur with several labels, else ""."""
    labels = table.groupby("audio_hash")["emotion"].transform("nunique")
    reasons = pd.Series("", index=table.index)
    for _, twins in table[labels > 1].groupby("audio_hash"):
        for path in twins["path"]:
            others = ", ".join(twins["path"][twins["path"] != path])
            same = table["path"] == path
            reasons[same] = f"is the same recording as {others}, with another label"
    return reasons


def _read_headers(table: pd.DataFrame, root: Path, folder: Path) -> pd.DataFrame:
    """Return the header of every clip; opens only files that are new, changed or failed before."""
    name = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    file = folder / f"{name}.csv"
    headers = _merge_headers(table, _cached_headers(file))
    if not headers["container"].isna().any():  # no lock: the folder may be read-only
        return headers.astype(HEADER_TYPES)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        cached = _cached_headers(file)
        new = table[_merge_headers(table, cached)["container"].isna().to_numpy()]
        if len(new):
            fresh = _open_headers(new[KEY], root)
            kept = cached[~cached["path"].isin(new["path"])]
            cached = pd.concat([kept, fresh], ignore_index=True) if len(cached) else fresh
            write_table(file, cached)
    return _merge_headers(table, cached).astype(HEADER_TYPES)


def _merge_headers(table: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return the header of every clip, with missing values for clips without a header."""
    return table[KEY].merge(headers, on=KEY, how="left", validate="1:1")


def _cached_headers(file: Path) -> pd.DataFrame:
    """Return the cached headers except failed ones: a change of permissions leaves no trace."""
    if not file.exists():
        return pd.DataFrame(columns=HEADER_COLUMNS)
    cached = read_table(file, HEADER_TYPES)
    return cached[cached["error"] == ""]


def _open_headers(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    paths = [root.absolute() / path for path in table["path"]]  # also valid on other machines
    starts = range(0, len(paths), HEADERS_PER_TASK)
    workers = Parallel(n_jobs=1 if len(starts) <= 1 else -1)
    batches = workers(
        delayed(header_rows)(paths[start : start + HEADERS_PER_TASK]) for start in starts
    )
    headers = pd.DataFrame(itertools.chain(*batches), columns=HEADER_COLUMNS[3:])
    headers = pd.concat([table.reset_index(drop=True), headers], axis=1)
    statuses = [file_status(str(path)) for path in paths]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in statuses]
    before = list(zip(headers["size"], headers["mtime_ns"], strict=True))
    changed = pd.Series(now, dtype=object) != pd.Series(before, dtype=object)
    headers.loc[changed & (headers["error"] == ""), "error"] = "changed while it was read"
    return headers
