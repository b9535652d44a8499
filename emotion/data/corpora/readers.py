"""From files on the disk to rows: what a path, or a table, says of each clip. Opens no audio."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from emotion.audio.unreadable import file_problem
from emotion.data.corpora.find_audio import file_status, find_files
from emotion.errors import ConfigError, CorpusError, near
from emotion.utils.tables import read_table

ROW = ("path", "size", "mtime_ns", "corpus", "speaker", "sex", "emotion", "text", "intensity")
GROUPS = ("speaker", "sex", "emotion", "text", "intensity")
"""What a pattern's named groups may fill; other groups serve `require`."""

UNKNOWN = "unknown"
"""The speaker of clips that name none."""

Rule = str | Sequence[str]
"""Values that belong to a group: a list of them, or a regular expression that fits them whole."""


@dataclass(frozen=True)
class Scan:
    """What a reader found: usable rows, and (path, reason) of the files that are none."""

    rows: list[dict[str, object]]
    skipped: list[tuple[str, str]]


class Reader(Protocol):
    """Anything that turns a corpus' folder into rows."""

    @property
    def corpus(self) -> str:
        """The corpus' name."""

    @property
    def published(self) -> int | None:
        """How many clips the published corpus has; None where there is no such number."""

    def scan(self, root: Path) -> Scan:
        """Return the rows of all clips under `root`."""


@dataclass(frozen=True)
class PatternReader:
    """Reads a corpus whose paths say everything.

    Args:
        corpus: its name.
        folder: below the dataset's root.
        pattern: a regular expression, searched in the path below `folder`, ignoring case, with
            named groups speaker, emotion and, where there is such a thing, sex, text, intensity.
        emotions: from the code in the path to the class; null takes the code itself, lower-case.
        glob: which files are meant; others, such as a README, are passed over.
        sex: by name, the speakers who are of it; the first rule that fits decides.
        rename: by group, codes that stand for another.
        require: by group, the one code that is wanted and what the others are.
        unique_names: a second file of the same name is a copy, not another clip.
        published: how many clips the published corpus has.
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
            raise ConfigError(f"dataset pattern {self.pattern!r} is no expression: {err}.") from err
        if "emotion" not in groups:
            raise ConfigError(
                f"dataset pattern {self.pattern!r} lacks the group (?P<emotion>…); it may also "
                "have speaker, sex, text and intensity."
            )
        for name in ("rename", "require"):
            unknown = sorted(set(getattr(self, name)) - groups)
            if unknown:
                raise ConfigError(f"dataset {name} names {unknown[0]!r}.{near(unknown[0], groups)}")

    def scan(self, root: Path) -> Scan:
        """Return the rows of the corpus, sorted by path.

        Raises:
            CorpusError: the folder is missing, or no file fits `glob`.
        """
        folder = root / self.folder
        if not folder.is_dir():
            raise CorpusError(
                f"{self.corpus}: there is no folder {folder}. Set data_root=… (or dataset.root=…) "
                "to where the corpora lie, or try dataset=synthetic first."
            )
        expression = re.compile(self.pattern, re.IGNORECASE)
        rows: list[dict[str, object]] = []
        skipped: list[tuple[str, str]] = []
        seen: dict[str, str] = {}
        found = 0
        before = Path(self.folder, "_").as_posix()[:-1]
        for relative, status in sorted(find_files(folder, self.glob)):
            found += 1
            path = before + relative
            row: dict[str, object] | str = self._describe(relative, expression)
            if not stat.S_ISREG(status.st_mode):
                row = file_problem(folder / relative)
            first = seen.setdefault(relative.rpartition("/")[2].lower(), path)
            if self.unique_names and first != path:
                row = f"is a second copy of {first}"
            if isinstance(row, str):
                skipped.append((path, row))
            else:
                place = {"path": path, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
                rows.append(place | row)
        if not found:
            raise CorpusError(f"{self.corpus}: no file under {folder} fits {self.glob}.")
        return Scan(rows, skipped)

    def _describe(self, relative: str, expression: re.Pattern[str]) -> dict[str, object] | str:
        """Return what the path says of the clip, or why it is none."""
        if relative.rpartition("/")[2].startswith("."):
            return "is a system's hidden file"
        match = expression.search(relative)
        if match is None:
            return "has a name that does not fit the corpus' pattern"
        said = {name: value or "" for name, value in match.groupdict().items()}
        for group, names in self.rename.items():
            said[group] = _lookup(names, said[group]) or said[group]
        for group, wanted in self.require.items():
            for code, otherwise in wanted.items():
                if said[group] != code:
                    return otherwise
        emotion: str | None = said["emotion"].lower()
        if self.emotions is not None:
            emotion = _lookup(self.emotions, said["emotion"])
        if not emotion:
            return f"has the unknown emotion code {said['emotion']!r}"
        row = {group: said.get(group, "") for group in GROUPS}
        row["speaker"] = row["speaker"] or UNKNOWN
        row["sex"] = _sex(self.sex, row["sex"] or row["speaker"])
        return {"corpus": self.corpus, **row, "emotion": emotion}


@dataclass(frozen=True)
class TableReader:
    """Reads a user's CSV: path (relative to the dataset's root), emotion and, best, speaker.

    Columns sex, text, intensity and corpus are used where they are; all others are kept.
    """

    path: str
    corpus: str = "csv"
    published: int | None = None

    def scan(self, root: Path) -> Scan:
        """Return a row for each line of the table whose file is there.

        Raises:
            CorpusError: the table cannot be read, or lacks a column.
        """
        if not self.path or not Path(self.path).is_file():
            raise CorpusError(f"there is no table {self.path!r}. Set dataset.path=FILE.csv.")
        try:
            table = read_table(Path(self.path))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as err:
            raise CorpusError(f"{self.path} is not a CSV table ({err}).") from err
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
            said = {str(key): value or defaults.get(str(key), "") for key, value in line.items()}
            status = file_status(os.path.join(root, said["path"]))  # noqa: PTH118 - 100,000 times
            if status is None:
                why = "is not there" if "\0" in said["path"] else file_problem(root / said["path"])
                skipped.append((said["path"], why))
                continue
            if not said["emotion"]:
                skipped.append((said["path"], "has no emotion in the table"))
                continue
            place = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
            rows.append(defaults | said | place)
        twice = table["path"][table["path"].duplicated()].unique()
        skipped += [
            (path, "stands in the table more than once; the first counts") for path in twice
        ]
        if not rows:
            first = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
            raise CorpusError(
                f"none of the {len(table)} lines of {self.path} names a clip{first}. Paths are "
                "relative to dataset.root, which is the table's own folder by default."
            )
        return Scan(rows, skipped)


def _lookup(names: Mapping[str, str], code: str) -> str | None:
    folded = {str(key).lower(): value for key, value in names.items()}
    return folded.get(code.lower())


def _sex(rules: Mapping[str, Rule], of: str) -> str:
    for sex, rule in rules.items():
        fits = re.fullmatch(rule, of) if isinstance(rule, str) else of in rule
        if fits:
            return sex
    return ""
