"""Segments: clips that are a part of a file, from `start` to `end` in seconds.

Tables of a dataset with segments have the columns start and end behind path; the key of a clip is
then (path, start, end). A clip that is a whole file has the start 0 and the end infinity.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from emotion.errors import EmotionError

START, END = TIMES = ("start", "end")
TIME_TYPES = dict.fromkeys(TIMES, "float64")
WHOLE = {START: 0.0, END: math.inf}
TIME_COLUMNS = (*TIMES, "duration", "start_s", "end_s", "duration_s")  # of tables of users
DIGITS = 6  # times are compared in microseconds


def clip_key(table: pd.DataFrame) -> list[str]:
    """Return the columns that identify a clip: path, or path, start and end."""
    return ["path", *(name for name in TIMES if name in table)]


def clip_names(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the name of each clip: its path, and the times of a segment."""
    if START not in table:
        return table["path"]
    clips = zip(*(table[name] for name in ("path", *TIMES)), strict=True)
    return pd.Series([clip_name(*clip) for clip in clips], index=table.index, dtype=object)


def clip_name(path: str, start: float = 0.0, end: float = math.inf) -> str:
    """Return the path, with the times of a segment behind it: "a.wav [0.5-2.0 s]"."""
    whole = math.isnan(start) or (start == 0 and end == math.inf)
    return path if whole else f"{path} [{start}-{end} s]"


def clip_times(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Return start and end of a row of a table; those of a whole file without segments."""
    return row.get(START, WHOLE[START]), row.get(END, WHOLE[END])


def link_files(table: pd.DataFrame, groups: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the groups of the rows, joined where a file has segments of several of them.

    `groups` is a name for each row; a joined group has a number. Without segments, the names are
    returned.
    """
    if START not in table:
        return groups
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    file, files = pd.factorize(table["path"])
    group, names = pd.factorize(groups)
    count = len(files) + len(names)
    edges = coo_array((np.ones(len(file)), (file, len(files) + group)), shape=(count, count))
    return pd.Series(connected_components(edges, directed=False)[1][file], index=table.index)


def time_error(start: float, end: float) -> str:
    """Return why a segment is impossible, phrased to follow the file's name; else ""."""
    if 0 <= start < end:
        return ""
    return f"has a segment from {start:g} to {end:g} s; needed is 0 <= start < end"


def parse_times(
    table: pd.DataFrame, error: type[EmotionError], source: object
) -> tuple[pd.DataFrame, list[str]]:
    """Return a user's table with start and end as numbers, and why each row is unusable, or "".

    The columns start and end may be called start_s and end_s; a duration (or duration_s) may
    replace the end. A row without times is a whole file. Without any times, the table is returned
    as it is.

    Raises:
        error: there is a start without an end, an end without a start, or one of them twice.
    """
    columns = {
        name: [c for c in (name, f"{name}_s") if c in table] for name in (*TIMES, "duration")
    }
    if not columns[START] and not columns[END]:
        return table, [""] * len(table)
    kind = END if columns[END] else "duration"
    if (len(columns[START]), len(columns[kind])) != (1, 1):
        raise error(
            f"{source} has of the columns of a segment {', '.join(columns[START] + columns[kind])}."
            " It needs one start, and one end or duration, in seconds; rename a column that has "
            "another meaning."
        )
    first, last = columns[START][0], columns[kind][0]
    rows = [
        _parse(*texts, lasts=kind != END) for texts in zip(table[first], table[last], strict=True)
    ]
    rest = table.drop(columns=[first, last])
    for position, name in enumerate(TIMES):
        values = [row[position] for row in rows]
        rest.insert(list(rest).index("path") + 1 + position, name, pd.Series(values, rest.index))
    return rest, [row[2] for row in rows]


def read_times(table: pd.DataFrame, error: type[EmotionError], source: object) -> pd.DataFrame:
    """Return a user's table with start and end as numbers; raise `error` for an unusable row."""
    parsed, reasons = parse_times(table, error, source)
    for path, reason in zip(table["path"], reasons, strict=True):
        if reason:
            raise error(f"{source}: {path} {reason}.")
    return parsed


def _parse(start: str, end: str, *, lasts: bool) -> tuple[float, float, str]:
    """Return the times of a segment and why it is unusable; `end` may be its duration."""
    name = "duration" if lasts else END
    start, end = (text.strip().replace(",", ".") for text in (start, end))
    if not start and not end:
        return 0.0, math.inf, ""
    for key, text in ((START, start), (name, end)):
        try:
            float(text)
        except ValueError:
            given = f"the {key} {text!r}, which is not a number of seconds such as 1.5"
            return math.nan, math.nan, f"has {given if text else f'no {key}'}"
    first = round(float(start), DIGITS)
    last = round(float(end) + (float(start) if lasts else 0.0), DIGITS)
    return first, last, time_error(first, last)
