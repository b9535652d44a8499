"""Segments of recordings, from a table or from RTTM."""

from pathlib import Path

import pytest

from emotion.errors import ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.segments import Segment, match_segments, read_segments

RTTM = """;; a comment
SPKR-INFO meeting 1 <NA> <NA> <NA> unknown anna <NA>
SPEAKER meeting 1 130.43 2.35 <NA> <NA> anna <NA> <NA>
SPEAKER meeting 1 1.5 0.5 <NA> <NA> bert <NA>

"""


def source(name: str) -> InputFile:
    return InputFile(name, Path(name))


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rttm_of_nine_and_of_ten_columns_is_read(tmp_path: Path) -> None:
    first, second = read_segments(written(tmp_path, "meeting.rttm", RTTM))
    assert first == Segment("meeting", 130.43, 130.43 + 2.35, "anna")
    assert second == Segment("meeting", 1.5, 2.0, "bert")


def test_tables_are_read_by_either_name_of_the_columns(tmp_path: Path) -> None:
    long = written(tmp_path, "a.csv", "path,start_s,end_s,speaker\nx.wav,0,1.5,me\n")
    assert read_segments(long) == [Segment("x.wav", 0.0, 1.5, "me")]
    short = written(tmp_path, "b.csv", "\ufeffstart,end\n0,1.5\n")
    assert read_segments(short) == [Segment("", 0.0, 1.5, "")]
    lengths = written(tmp_path, "c.csv", "start,duration\n0.5,1.5\n")
    assert read_segments(lengths) == [Segment("", 0.5, 2.0, "")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "path,from,to\n",
            "needs the columns start_s and end_s, or duration_s; it has path, from",
        ),
        ("a.csv", "", "needs the columns"),
        ("a.csv", "start,end\n", "contains no segments"),
        ("a.csv", "start,end\n0,1\n2,1\n", "line 3: start 2 s and end 1 s must be"),
        ("a.csv", "start,end\n-1,1\n", "line 2: start -1 s"),
        ("a.csv", "start,end\n0,nan\n", "line 2"),
        ("a.csv", "start,end\n0\n", "line 2: None is not a number"),
        ("a.csv", "start,end\n0,one\n", "'one' is not a number"),
        ("a.rttm", "SPEAKER x 1 0 1 <NA>\n", "line 1 has 6 columns"),
    ],
)
def test_lines_that_cannot_be_used_are_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_segments(written(tmp_path, name, text))


def test_recordings_are_known_by_their_rows_name_its_end_or_its_stem() -> None:
    sources = [source("in/a/one.wav"), source("in/b/two.v1.flac")]
    for name in ("in/a/one.wav", "a/one.wav", "one.wav", "one", "a/one"):
        ((found, _),) = match_segments([Segment(name, 0, 1, "")], sources)
        assert found.name == "in/a/one.wav"
    ((found, _),) = match_segments([Segment("two.v1", 0, 1, "")], sources)
    assert found.name == "in/b/two.v1.flac"


def test_rows_come_in_the_order_of_recording_and_time() -> None:
    sources = [source("b.wav"), source("a.wav")]
    names = [("b", 0), ("a", 5), ("a", 1)]
    segments = [Segment(name, start, start + 1, "") for name, start in names]
    matched = [
        (found.name, segment.start_s) for found, segment in match_segments(segments, sources)
    ]
    assert matched == [("a.wav", 1), ("a.wav", 5), ("b.wav", 0)]


def test_names_that_fit_none_or_several_are_refused() -> None:
    sources = [source("a/x.wav"), source("b/x.wav")]
    with pytest.raises(ConfigError, match=r"'x' matches several inputs: a/x\.wav, b/x\.wav"):
        match_segments([Segment("x", 0, 1, "")], sources)
    with pytest.raises(ConfigError, match=r"'y\.wav' matches no input\. Did you mean"):
        match_segments([Segment("y.wav", 0, 1, "")], sources)
    with pytest.raises(ConfigError, match="without a path"):
        match_segments([Segment("", 0, 1, "")], sources)
