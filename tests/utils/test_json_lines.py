"""Files of JSON lines: damaged lines harm no other line."""

import logging
import multiprocessing
from pathlib import Path

import pytest

from emotion.utils.json_lines import append_json_line, read_json_lines

LONG = 64_000_000  # characters of a line whose write a SIGKILL can interrupt
DAMAGED = ['{"by": "cut o', "{}", "[1]", '{"by": 3}', "\0\0\0", '{"by": "a"}{"by": "b"}']


def append_long_line(path: Path) -> None:
    append_json_line(path, {"by": "x" * LONG})


def test_a_line_that_sigkill_cuts_off_is_passed_over_and_the_next_one_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    append_json_line(path, {"by": "first"})
    whole = path.stat().st_size
    spawn = multiprocessing.get_context("spawn")
    while path.read_bytes().endswith(b"\n"):  # the kill came before or after the write
        with path.open("r+") as file:
            file.truncate(whole)
        process = spawn.Process(target=append_long_line, args=(path,))
        process.start()
        while path.stat().st_size == whole and process.is_alive():
            pass
        process.kill()
        process.join()
    append_json_line(path, {"by": "second"})
    assert [line["by"] for line in read_json_lines(path, keys=["by"])] == ["first", "second"]
    assert f"{path}: 1 of 3 lines are damaged and were passed over" in caplog.messages


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_line_is_counted_once_and_hides_no_other(
    tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"by": "first"}}\n{damaged}\n\n{{"by": "sécond"}}')
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = read_json_lines(path, keys=["by"])
    assert [line["by"] for line in found] == ["first", "sécond"]
    assert caplog.messages == [f"{path}: 1 of 3 lines are damaged and were passed over"]


def test_a_file_that_does_not_exist_has_no_lines(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path / "log.jsonl", keys=["by"]) == []
