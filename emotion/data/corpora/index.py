"""The index: one row a clip, from all readers, with what each file's header says.

Headers are kept in the cache, keyed by path, size and time of change, so that a second look opens
no audio file.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
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
from emotion.data.labels import KNOWN
from emotion.data.waveform_cache import Cache, Progress, open_cache
from emotion.errors import CorpusError
from emotion.utils.printable import printable
from emotion.utils.tables import read_table, write_table

HEADER = {"size": "int64", "mtime_ns": "int64", "sample_rate": "int64", "frames": "int64"}
HEADER |= {"channels": "int64"}
KEY = ["path", "size", "mtime_ns"]
HEADER_COLUMNS = ["path", *HEADER, "container", "error"]
GIVEN = ("_given", "")
"""A column of a user's table that is called like a measured one is kept under another name."""

HEADERS_AT_ONCE = 2048
"""What a process takes at a time; no more than these are read by this one, which costs no start."""

FAR = 0.02
"""A clip count that differs from the published one by more than this share is said."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """All clips of a dataset.

    `table` has the columns of `ROW`, then sample_rate (Hz), frames, channels, container, and, once
    the clips are decoded, the cache's `ClipStatistics`; `skipped` (path, reason) lists the files
    that were left out; `notes` are sentences for the reader of a log or report.
    """

    table: pd.DataFrame
    skipped: pd.DataFrame
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    root: Path

    @property
    def fingerprint(self) -> str:
        """A hash of which clips there are and what is said of them, not of where they lie."""
        said = self.table[["path", "corpus", "speaker", "emotion"]].to_csv(index=False)
        return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:20]


def build_index(dataset: Dataset, folder: Path) -> Index:
    """Return the index of a dataset, all emotions included, sorted by path.

    Args:
        dataset: whose readers are asked.
        folder: where headers are kept between calls.

    Raises:
        CorpusError: a corpus is missing, or nothing in it can be used.
    """
    if dataset.generate is not None and not dataset.root.is_dir():
        dataset.root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(dataset.root.with_name(f"{dataset.root.name}.lock")):
            dataset.generate(dataset.root)
    rows: list[dict[str, object]] = []
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []
    for reader in dataset.readers.values():
        scan = reader.scan(dataset.root)
        rows += scan.rows
        skipped += scan.skipped
        notes += _count_note(reader.corpus, len(scan.rows), reader.published)
    table = pd.DataFrame(
        rows, columns=list(dict.fromkeys([*ROW, *(key for row in rows for key in row)]))
    )
    table = table.sort_values("path", ignore_index=True)
    headers = _read_headers(table, dataset.root, folder)
    headers = headers.drop(columns=["size", "mtime_ns"])
    table = table.merge(headers, on="path", validate="1:1", suffixes=GIVEN)
    unusable = table["error"] != ""
    skipped += list(table.loc[unusable, ["path", "error"]].itertuples(index=False, name=None))
    table = table[~unusable].drop(columns="error").reset_index(drop=True)
    if not len(table):
        first = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
        raise CorpusError(
            f"none of the {len(skipped)} files under {dataset.root} is a clip{first}."
        )
    return Index(
        table=table,
        skipped=pd.DataFrame(skipped, columns=["path", "reason"]),
        labels=dataset.labels or found_labels(table["emotion"]),
        notes=tuple(notes),
        root=dataset.root,
    )


def open_clips(
    dataset: Dataset,
    standardiser: Standardiser,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[Index, Cache]:
    """Return a dataset's index, unusable clips left out, and its cache, built if missing."""
    index = build_index(dataset, cache_dir / "index")
    cache = open_cache(
        index.table, standardiser, root=dataset.root, folder=cache_dir / "waves", progress=progress
    )
    return select_clips(index, cache), cache


def select_clips(index: Index, cache: Cache) -> Index:
    """Return the index with the cache's facts, its unusable rows moved to `skipped`.

    Left out are clips that could not be decoded, are silent, carry a class that is not among the
    labels, or are byte for byte the same as a clip with another label.

    Raises:
        CorpusError: no clip carries one of the labels.
    """
    facts = cache.index.assign(row=range(len(cache.index)))
    table = index.table.merge(facts, on="path", how="inner", validate="1:1", suffixes=GIVEN)
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
            f"no clip is of the classes {', '.join(index.labels)}; the corpus has "
            f"{', '.join(found)}. Set dataset.labels=[{','.join(found)}]."
        )
    everything = pd.concat([index.skipped, cache.skipped, skipped], ignore_index=True)
    return Index(kept, everything, index.labels, index.notes, index.root)


def found_labels(emotions: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that occur, the common ones in their usual order, then the others."""
    found = set(emotions)
    return (*(label for label in KNOWN if label in found), *sorted(found - set(KNOWN)))


def summarise_skipped(skipped: pd.DataFrame) -> list[str]:
    """Return one line a reason, with how many files it concerns and one of them."""
    lines = []
    for reason, count in Counter(skipped["reason"]).most_common():
        paths = skipped["path"][skipped["reason"] == reason]
        if count == 1:
            lines.append(f"left out: {paths.iloc[0]} {reason}")
        else:
            lines.append(f"left out: {count} files, each {reason}, such as {paths.iloc[0]}")
    return [printable(line) for line in lines]


def _conflicts(table: pd.DataFrame) -> pd.Series:
    """Return, for clips whose samples occur under several labels, the reason to leave them out."""
    labels = table.groupby("audio_hash")["emotion"].transform("nunique")
    reasons = pd.Series("", index=table.index)
    for _, twins in table[labels > 1].groupby("audio_hash"):
        for path in twins["path"]:
            others = ", ".join(twins["path"][twins["path"] != path])
            reason = f"is the same recording as {others}, with another label"
            reasons[table["path"] == path] = reason
    return reasons


def _count_note(corpus: str, found: int, published: int | None) -> list[str]:
    if published is None or abs(found - published) <= FAR * published:
        return []
    return [f"{corpus}: {found:,} clips here, {published:,} were published"]


def _read_headers(table: pd.DataFrame, root: Path, folder: Path) -> pd.DataFrame:
    """Return the header of every clip; only those are opened that are new, changed or failed."""
    name = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    kept_file = folder / f"{name}.csv"
    known = _known_headers(table, kept_file)
    if known is not None:  # without a lock, so that a folder may also be one that is only read
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        kept = _kept_headers(kept_file)
        known = table[KEY].merge(kept, on=KEY, how="left", indicator=True)
        new = table[(known["_merge"] == "left_only").to_numpy()]
        if len(new):
            fresh = _open_headers(new[KEY], root)
            stale = kept["path"].isin(new["path"])
            kept = pd.concat([kept[~stale], fresh], ignore_index=True) if len(kept) else fresh
            write_table(kept_file, kept)
    return table[KEY].merge(kept, on=KEY, validate="1:1").astype(HEADER)


def _known_headers(table: pd.DataFrame, file: Path) -> pd.DataFrame | None:
    """Return the header of every clip where all of them are kept."""
    known = table[KEY].merge(_kept_headers(file), on=KEY, how="left", validate="1:1")
    return None if known["container"].isna().any() else known.astype(HEADER)


def _kept_headers(file: Path) -> pd.DataFrame:
    """Return the headers that are kept but for those that failed: rights change without a trace."""
    if not file.exists():
        return pd.DataFrame(columns=HEADER_COLUMNS)
    kept = read_table(file, HEADER)
    return kept[kept["error"] == ""]


def _open_headers(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    paths = [root.absolute() / path for path in table["path"]]  # for processes elsewhere, too
    starts = range(0, len(paths), HEADERS_AT_ONCE)
    workers = Parallel(n_jobs=1 if len(starts) <= 1 else -1)
    found = workers(delayed(header_rows)(paths[at : at + HEADERS_AT_ONCE]) for at in starts)
    rows = [row for some in found for row in some]
    headers = pd.DataFrame(rows, columns=HEADER_COLUMNS[3:])
    headers = pd.concat([table.reset_index(drop=True), headers], axis=1)
    found = [file_status(str(path)) for path in paths]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in found]
    listed = list(zip(headers["size"], headers["mtime_ns"], strict=True))
    changed = pd.Series(now, dtype=object) != pd.Series(listed, dtype=object)
    headers.loc[changed & (headers["error"] == ""), "error"] = "changed while it was read"
    return headers
