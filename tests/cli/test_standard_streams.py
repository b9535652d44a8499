"""Closed standard streams, and a standard output that cannot be written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "emotion"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_file_never_gets_the_number_of_a_closed_stream(number: int) -> None:
    code = (
        "from emotion.cli.standard_streams import reopen_closed_streams as reopen; import sys; "
        "reopen(); opened = open('/dev/null'); print('x'); print('y', file=sys.stderr); "
        "sys.stdin.read(); sys.exit(0 if opened.fileno() > 2 else 1)"
    )
    close: Callable[[], None] = lambda: os.close(number)  # noqa: E731
    done = subprocess.run([sys.executable, "-c", code], preexec_fn=close, check=False, stdin=0)
    assert done.returncode == 0


@pytest.mark.parametrize("words", [["list", "models"], ["--help"]])
def test_an_output_that_cannot_be_written_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, check=False)
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, len(lines)) == (1, 1)
    assert lines[0].startswith("error: ")
    assert "No space left on device" in lines[0]


def test_a_closed_standard_input_holds_no_audio() -> None:
    done = subprocess.run(
        [*COMMAND, "predict", "run=/nowhere", "-"],
        preexec_fn=lambda: os.close(0),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"there is no audio on standard input" in done.stderr
