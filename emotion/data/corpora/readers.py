"""Readers: rows of the index from the file names of a corpus or from a table, without audio."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from emotion.audio.unreadable import file_error
from emotion.data.corpora.find_audio import file_status, find_files, paths_on_disk
from emotion.data.segments import (
    TIME_COLUMNS,
    clip_key,
    clip_name,
    clip_names,
    clip_times,
    parse_times,
)
from emotion.data.speakers import UNKNOWN
from emotion.data.user_tables import read_user_table
from emotion.data.waveform_cache import NUMERIC_COLUMNS
from emotion.errors import ConfigError, CorpusError, suggest
from emotion.utils.names import check_map, clean_name, look_up, name_key, text_of

ROW = ("path", "size", "mtime_ns", "corpus", "speaker", "sex", "emotion", "text", "intensity")
GROUPS = ("speaker", "sex", "emotion", "text", "intensity")
"""Columns that a pattern's named groups fill; other groups are for `require`."""

TABLE_COLUMNS = ("path", "corpus", "speakers_of", *GROUPS, *TIME_COLUMNS)
"""Columns of a table that have a meaning; others are kept."""

MEASURED = (
    *(
        "size",
        "mtime_ns",
        "ctime_ns",
        "file_hash",
        "sample_rate",
        "frames",
        "channels",
        "container",
        "error",
        "row",
    ),
    *("audio_hash", *NUMERIC_COLUMNS),
)
"""Columns that the index fills from the files."""

Rule = str | Sequence[str]
"""Values of a category: a list, or a regular expression that matches the whole value."""


@dataclass(frozen=True)
class Scan:
    """Result of a reader: usable rows, and (path, reason) of the skipped files.

    A row has the columns of `ROW`; that of a segment also has its start and end in seconds.
    """

    rows: list[dict[str, object]]
    skipped: list[tuple[str, str]]


class Reader(Protocol):
    """Interface of all readers: turns the folder of a corpus into rows."""

    @property
    def corpus(self) -> str:
        """Name of the corpus."""

    @property
    def published(self) -> int | None:
        """Number of clips of the published corpus, if known."""

    def scan(self, root: Path) -> Scan:
        """Return the rows of all clips under `root`."""


@dataclass(frozen=True)
class PatternReader:
    """Reader of a corpus whose file paths contain all labels.

    Args:
        corpus: name of the corpus.
        folder: folder of the corpus, below the root of the dataset.
        pattern: regular expression, searched in the path below `folder`, ignoring case, with the
            named groups speaker, emotion and, optionally, sex, text and intensity.
        emotions: class of each emotion code; None: the code in lower case is the class.
        glob: name patterns of the clips; other files, such as a README, are ignored.
        sex: rules for the speakers of each sex; the first matching rule decides.
        rename: replacements of codes, by group.
        require: by group, the required code and the reason to skip a file with another code.
        unique_names: whether a second file of the same name is a copy, not another clip.
        published: number of clips of the published corpus.
        speakers_of: another corpus with the same speakers, by the same names; splits and the audit
            of leaks then know that they are the same people.
    """

    corpus: str
    pattern: str
    folder: str = ""
    emotions: Mapping[str, str] | None = None
    glob: str = "*.wav"
    sex: Mapping[str, Rule] = field(default_factory=dict)
    rename: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    require: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unique_names: bool = False
    published: int | None = None
    speakers_of: str | None = None

    def __post_init__(self) -> None:
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as err:
            raise ConfigError(
                f"dataset pattern {self.pattern!r} is not a valid regular expression: {err}."
            ) from err
        if "emotion" not in groups:
            raise ConfigError(
                f"dataset pattern {self.pattern!r} has no group (?P<emotion>…). It may also "
                "have the groups speaker, sex, text and intensity."
            )
        for name in ("rename", "require"):
            unknown = sorted(set(getattr(self, name)) - groups)
            if unknown:
                raise ConfigError(
                    f"dataset {name} names {unknown[0]!r}.{suggest(unknown[0], groups)}"
                )
        _check_label_map(self.emotions, f"{self.corpus}: emotions")
        for group, names in self.rename.items():
            check_map(names, f"{self.corpus}: rename.{group}")

    def scan(self, root: Path) -> Scan:
        """Return the rows of the corpus, sorted by path.

        Raises:
            CorpusError: the folder is missing, or no file matches `glob`.
        """
        own = paths_on_disk(root, [self.folder])[0]
        folder = root / own
        if not folder.is_dir():
            raise CorpusError(
                f"{self.corpus}: folder {folder} does not exist. Set data_root=… or dataset.root=… "
                "to the folder of the corpora, or try dataset=synthetic first."
            )
        expression = re.compile(unicodedata.normalize("NFC", self.pattern), re.IGNORECASE)
        rows: list[dict[str, object]] = []
        skipped: list[tuple[str, str]] = []
        seen: dict[str, str] = {}
        before = Path(own, "_").as_posix()[:-1]
        files = sorted(find_files(folder, self.glob))
        if not files:
            raise CorpusError(f"{self.corpus}: no file under {folder} matches {self.glob}.")
        for relative, status in files:
            path = before + relative
            row: dict[str, object] | str = self._parse(relative, expression)
            if not stat.S_ISREG(status.st_mode):
                row = file_error(folder / relative)
            first = seen.setdefault(relative.rpartition("/")[2].lower(), path)
            if self.unique_names and first != path:
                row = f"is a second copy of {first}"
            if isinstance(row, str):
                skipped.append((path, row))
            else:
                file = {"path": path, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
                rows.append(file | row)
        return Scan(rows, skipped)

    def _parse(self, relative: str, expression: re.Pattern[str]) -> dict[str, object] | str:
        """Return the columns of a clip from its path, or the reason to skip the file."""
        if relative.rpartition("/")[2].startswith("."):
            return "is a hidden file"
        match = expression.search(unicodedata.normalize("NFC", relative))
        if match is None:
            return "has a name that does not match the pattern of the corpus"
        codes = {name: value or "" for name, value in match.groupdict().items()}
        for group, names in self.rename.items():
            codes[group] = str(look_up(names, codes[group]) or codes[group])
        for group, required in self.require.items():
            for code, reason in required.items():
                if look_up({code: True}, codes[group]) is None:
                    return reason
        code = codes["emotion"]
        emotion = code.lower() if self.emotions is None else look_up(self.emotions, code)
        if not emotion:
            return f"has the unknown emotion code {code!r}"
        emotion = str(emotion)
        row = {group: codes.get(group, "") for group in GROUPS}
        row["speaker"] = row["speaker"] or UNKNOWN
        row["sex"] = _sex(self.sex, row["sex"] or row["speaker"])
        same = {"speakers_of": self.speakers_of} if self.speakers_of else {}
        return {"corpus": self.corpus, **row, "emotion": emotion, **same}


@dataclass(frozen=True)
class TableReader:
    """Reader of a CSV table: path (relative to the root), emotion and, preferably, speaker.

    The columns sex, text, intensity and corpus are optional; all other columns are kept. With the
    columns start and end, in seconds, a row is a segment of its file: see `parse_times`.
    `emotions` has the class of each code in the column emotion; None: the codes are the classes.
    """

    path: str
    corpus: str = "csv"
    emotions: Mapping[str, str] | None = None
    published: int | None = None

    def __post_init__(self) -> None:
        _check_label_map(self.emotions, "dataset.emotions")

    def _label(self, code: str) -> str:
        """Return the label of a code; empty if the map does not contain it."""
        return code if self.emotions is None else str(look_up(self.emotions, code) or "")

    def scan(self, root: Path) -> Scan:
        """Return a row for each line of the table whose file exists.

        Raises:
            CorpusError: the table cannot be read, or lacks a column.
        """
        if not self.path or not Path(self.path).is_file():
            raise CorpusError(f"table {self.path!r} does not exist. Set dataset.path=FILE.csv.")
        table = read_user_table(Path(self.path), CorpusError, columns=TABLE_COLUMNS)
        for column in ("path", "emotion"):
            if column not in table:
                raise CorpusError(
                    f"{self.path} has no column {column!r}, only {', '.join(table.columns)}. "
                    "It needs path and emotion, and speaker for a split by speaker."
                )
        check_columns(table.columns, self.path)
        table["path"] = paths_on_disk(root, table["path"])
        rows: list[dict[str, object]] = []
        defaults = dict.fromkeys(GROUPS, "") | {"speaker": UNKNOWN, "corpus": self.corpus}
        table, reasons = parse_times(table, CorpusError, self.path)
        usable = np.array(reasons) == ""
        skipped = [line for line in zip(table["path"], reasons, strict=True) if line[1]]
        table, key = table[usable], clip_key(table)
        for line in table.drop_duplicates(key).sort_values(key).to_dict("records"):
            row = {str(k): defaults.get(str(k), "") if v == "" else v for k, v in line.items()}
            path, name = row["path"], clip_name(row["path"], *clip_times(row))
            status = file_status(os.path.join(root, path))  # noqa: PTH118 - 100,000 times
            if status is None:
                no_path = "\0" in path
                skipped.append((path, "is not there" if no_path else file_error(root / path)))
            elif not (code := clean_name(row["emotion"])):
                skipped.append((name, "has no emotion in the table"))
            elif not (emotion := self._label(code)):
                skipped.append((name, f"has the unknown emotion code {code!r}"))
            else:
                file = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
                rows.append(defaults | row | file | {"emotion": emotion})
        repeated = clip_names(table)[table.duplicated(key)].unique()
        skipped += [(clip, "is repeated in the table; its first line is used") for clip in repeated]
        if not rows:
            first = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
            raise CorpusError(
                f"none of the {len(usable)} lines of {self.path} names a clip{first}. Paths are "
                "relative to dataset.root, by default the folder of the table."
            )
        return Scan(rows, skipped)


def check_columns(names: Iterable[str], where: str) -> None:
    """Raise CorpusError if a table or reader has a column that the index fills itself."""
    for name in names:
        if name in MEASURED:
            raise CorpusError(
                f"{where} has a column {name!r}, and the index fills a column of this name from "
                "the audio files. Rename or remove it."
            )


def _check_label_map(emotions: Mapping[str, str] | None, key: str) -> None:
    """Raise ConfigError if equal codes have two labels, or a label is not text."""
    check_map(emotions or {}, key)
    for label in (emotions or {}).values():
        text_of(label, key)


def _sex(rules: Mapping[str, Rule], value: str) -> str:
    for sex, rule in rules.items():
        if isinstance(rule, str):
            found = re.fullmatch(rule, value) is not None
        else:
            found = name_key(value) in map(name_key, map(str, rule))
        if found:
            return sex
    return ""
