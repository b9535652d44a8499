"""Rows as CSV, JSON lines and a terminal table."""

import csv
import json
from pathlib import Path

import pytest
from rich.console import Console

from emotion.errors import ConfigError
from emotion.inference.output import as_csv, as_table, check_output, write_or_print_rows
from emotion.runtime.rows import as_json_lines

ROWS = [
    {"path": "a, b.wav", "predicted": "sad", "note": "", "p_sad": 0.1 + 0.2, "p_happy": 0.7},
    {"path": "é.wav", "predicted": "happy", "note": "not sure", "p_sad": 0.5, "p_happy": 0.5},
]


@pytest.mark.parametrize("path", ["a, b.wav", "line\nbreak.wav", "return\r.wav", '"quoted".wav'])
def test_csv_and_json_keep_names_and_numbers(path: str, tmp_path: Path) -> None:
    rows = [ROWS[0] | {"path": path}, ROWS[1]]
    file = tmp_path / "rows.csv"
    file.write_text(as_csv(rows), encoding="utf-8", newline="")
    with file.open(encoding="utf-8", newline="") as text:
        first, second = csv.DictReader(text)
    assert (first["path"], float(first["p_sad"])) == (path, 0.1 + 0.2)
    assert second["path"] == "é.wav"
    lines = as_json_lines(rows).splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_suffix_chooses_the_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("new/o.csv", as_csv(ROWS)), ("o.jsonl", as_json_lines(ROWS))):
        write_or_print_rows(ROWS, tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    write_or_print_rows(ROWS, None)
    assert capsys.readouterr().out == as_json_lines(ROWS)


def test_other_suffixes_are_refused() -> None:
    assert check_output(None) is None
    assert check_output("o.jsonl") == Path("o.jsonl")
    with pytest.raises(ConfigError, match=r"output=o\.txt must end in \.csv or \.jsonl"):
        check_output("o.txt")


def test_table_shows_notes_times_and_percent() -> None:
    console = Console(width=120)
    segment = {"path": "a.wav", "start_s": 1.0, "end_s": 2.5, "speaker": "anna"}
    with console.capture() as capture:
        console.print(as_table([segment | ROWS[1] | {"path": "a.wav"}]))
    heading, row = capture.get().splitlines()
    assert heading.split() == ["file", "start_s", "end_s", "speaker", "emotion", "sad", "happy"]
    assert row.split() == ["a.wav", "1.00", "2.50", "anna", "not", "sure", "(happy)", "50%", "50%"]
