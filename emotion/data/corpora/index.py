"""Index of a dataset: one row per clip from all readers, with the header of each file."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from emotion.audio.clip_statistics import SILENT_DB
from emotion.audio.decode import frame_at
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.dataset import Dataset
from emotion.data.corpora.headers import FILE_COLUMNS, read_headers
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
from emotion.utils.files import build_folder
from emotion.utils.locks import SharedLock
from emotion.utils.names import path_key
from emotion.utils.printable import printable

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
    headers = read_headers(files, dataset.root, folder).drop(columns=FILE_COLUMNS[1:])
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
