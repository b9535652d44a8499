"""Readers: rows of the index from the file names of a corpus or from a table, without audio."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from emotion.audio.unreadable import file_error
from emotion.data.corpora.find_audio import file_status, find_files
from emotion.data.speakers import UNKNOWN
from emotion.errors import ConfigError, CorpusError, EmotionError, suggest
from emotion.utils.tables import read_table

ROW = ("path", "size", "mtime_ns", "corpus", "speaker", "sex", "emotion", "text", "intensity")
GROUPS = ("speaker", "sex", "emotion", "text", "intensity")
"""Columns that a pattern's named groups fill; other groups are for `require`."""

Rule = str | Sequence[str]
"""Values of a category: a list, or a regular expression that matches the whole value."""


@dataclass(frozen=True)
class Scan:
    """Result of a reader: usable rows, and (path, reason) of the skipped files."""

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

    def scan(self, root: Path) -> Scan:
        """Return the rows of the corpus, sorted by path.

        Raises:
            CorpusError: the folder is missing, or no file matches `glob`.
        """
        folder = root / self.folder
        if not folder.is_dir():
            raise CorpusError(
                f"{self.corpus}: folder {folder} does not exist. Set data_root=… or dataset.root=… "
                "to the folder of the corpora, or try dataset=synthetic first."
            )
        expression = re.compile(self.pattern, re.IGNORECASE)
        rows: list[dict[str, object]] = []
        skipped: list[tuple[str, str]] = []
        seen: dict[str, str] = {}
        before = Path(self.folder, "_").as_posix()[:-1]
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
        match = expression.search(relative)
        if match is None:
            return "has a name that does not match the pattern of the corpus"
        codes = {name: value or "" for name, value in match.groupdict().items()}
        for group, names in self.rename.items():
            codes[group] = _lookup(names, codes[group]) or codes[group]
        for group, required in self.require.items():
            for code, reason in required.items():
                if codes[group] != code:
                    return reason
        code = codes["emotion"]
        emotion = code.lower() if self.emotions is None else _lookup(self.emotions, code)
        if not emotion:
            return f"has the unknown emotion code {code!r}"
        row = {group: codes.get(group, "") for group in GROUPS}
        row["speaker"] = row["speaker"] or UNKNOWN
        row["sex"] = _sex(self.sex, row["sex"] or row["speaker"])
        return {"corpus": self.corpus, **row, "emotion": emotion}


@dataclass(frozen=True)
class TableReader:
    """Reader of a CSV table: path (relative to the root), emotion and, preferably, speaker.

    The columns sex, text, intensity and corpus are optional; all other columns are kept.
    """

    path: str
    corpus: str = "csv"
    published: int | None = None

    def scan(self, root: Path) -> Scan:
        """Return a row for each line of the table whose file exists.

        Raises:
            CorpusError: the table cannot be read, or lacks a column.
        """
        if not self.path or not Path(self.path).is_file():
            raise CorpusError(f"table {self.path!r} does not exist. Set dataset.path=FILE.csv.")
        table = read_user_table(Path(self.path), CorpusError)
        for column in ("path", "emotion"):
            if column not in table:
                raise CorpusError(
                    f"{self.path} has no column {column!r}, only {', '.join(table.columns)}. "
                    "It needs path and emotion, and speaker for a split by speaker."
                )
        rows: list[dict[str, object]] = []
        skipped: list[tuple[str, str]] = []
        defaults = dict.fromkeys(GROUPS, "") | {"speaker": UNKNOWN, "corpus": self.corpus}
        for line in table.drop_duplicates("path").sort_values("path").to_dict("records"):
            row = {str(key): value or defaults.get(str(key), "") for key, value in line.items()}
            path = row["path"]
            status = file_status(os.path.join(root, path))  # noqa: PTH118 - 100,000 times
            if status is None:
                no_path = "\0" in path
                skipped.append((path, "is not there" if no_path else file_error(root / path)))
            elif not row["emotion"]:
                skipped.append((path, "has no emotion in the table"))
            else:
                file = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
                rows.append(defaults | row | file)
        repeated = table["path"][table["path"].duplicated()].unique()
        skipped += [(path, "is repeated in the table; its first line is used") for path in repeated]
        if not rows:
            first = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
            raise CorpusError(
                f"none of the {len(table)} lines of {self.path} names a clip{first}. Paths are "
                "relative to dataset.root, by default the folder of the table."
            )
        return Scan(rows, skipped)


def read_user_table(path: Path, error: type[EmotionError]) -> pd.DataFrame:
    """Return a CSV table of the user as text; raise `error` where it cannot be parsed."""
    try:
        return read_table(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as err:
        raise error(f"{path} is not a CSV table ({err}).") from err


def _lookup(names: Mapping[str, str], code: str) -> str | None:
    return {str(key).lower(): value for key, value in names.items()}.get(code.lower())


def _sex(rules: Mapping[str, Rule], value: str) -> str:
    for sex, rule in rules.items():
        if re.fullmatch(rule, value) if isinstance(rule, str) else value in rule:
            return sex
    return ""
