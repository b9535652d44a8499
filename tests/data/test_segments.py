"""Segments: start and end of a clip in a user's table, names of clips, and groups by file."""

import math

import pandas as pd
import pytest

from emotion.data.segments import clip_key, clip_names, link_files, parse_times, read_times
from emotion.errors import SplitError


def table_of(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"path": ["a.wav"] * len(next(iter(columns.values()))), **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {"start": ["0.5"], "end": ["2"]},
        {"start_s": ["0.5"], "end_s": ["2"]},
        {"start": [" 0.50"], "duration": ["1.5"]},
        {"start_s": ["5e-1"], "duration_s": ["1.50"]},
        {"start": ["0,5"], "end": ["2,0"]},
        {"start": ["0.5"], "end": ["2.0000001"], "duration": ["of a tape"]},
    ],
)
def test_every_spelling_of_a_segment_gives_the_same_columns(columns: dict[str, list[str]]) -> None:
    table, reasons = parse_times(table_of(emotion=["sad"], **columns), SplitError, "t.csv")
    assert reasons == [""]
    assert clip_key(table) == list(table)[:3] == ["path", "start", "end"]
    assert table.iloc[0, :3].tolist() == ["a.wav", 0.5, 2.0]
    assert clip_names(table).tolist() == ["a.wav [0.5-2.0 s]"]


def test_without_a_start_or_an_end_a_table_stays_as_it_is() -> None:
    table = table_of(emotion=["sad"], duration=["1.5"])
    assert parse_times(table, SplitError, "t.csv")[0] is table
    assert clip_key(table) == ["path"]
    assert clip_names(table).tolist() == ["a.wav"]


def test_a_row_without_times_is_the_whole_file() -> None:
    table = read_times(table_of(start=["", "1"], end=[" ", "2"]), SplitError, "t.csv")
    assert table[["start", "end"]].to_numpy().tolist() == [[0, math.inf], [1, 2]]
    assert clip_names(table).tolist() == ["a.wav", "a.wav [1.0-2.0 s]"]
    written = table_of(start=["0.0"], end=["inf"])  # as in split.csv
    assert clip_names(read_times(written, SplitError, "t.csv")).tolist() == ["a.wav"]


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("2", "1", "has a segment from 2 to 1 s; needed is 0 <= start < end"),
        ("1", "1", "has a segment from 1 to 1 s; needed is 0 <= start < end"),
        ("-1", "1", "has a segment from -1 to 1 s; needed is 0 <= start < end"),
        ("nan", "1", "has a segment from nan to 1 s; needed is 0 <= start < end"),
        ("1", "1:30", "has the end '1:30', which is not a number of seconds such as 1.5"),
        ("1", "", "has no end"),
        ("", "1", "has no start"),
    ],
)
def test_a_bad_segment_has_a_reason(start: str, end: str, reason: str) -> None:
    table = table_of(start=[start, "0"], end=[end, "9"])
    assert parse_times(table, SplitError, "t.csv")[1] == [reason, ""]
    with pytest.raises(SplitError, match=r"t\.csv: a\.wav has "):
        read_times(table, SplitError, "t.csv")


@pytest.mark.parametrize(
    "names", [["start"], ["end"], ["end_s", "duration"], ["start", "start_s", "end"]]
)
def test_a_segment_needs_one_start_and_one_end(names: list[str]) -> None:
    with pytest.raises(SplitError, match=f"{names[0]}.*needs one start, and one end or duration"):
        parse_times(table_of(**{name: ["1"] for name in names}), SplitError, "t.csv")


def test_groups_that_share_a_file_are_one_group() -> None:
    table = pd.DataFrame({"path": list("aabbcd"), "start": 0.0, "end": 1.0})
    linked = link_files(table, pd.Series(["x", "y", "y", "z", "w", "v"]))
    assert linked.tolist() == [linked[0]] * 4 + [linked[4], linked[5]]
    assert linked.nunique() == 3
