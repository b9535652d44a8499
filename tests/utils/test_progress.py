"""Progress: one line in a log, a bar in a terminal."""

import logging
import sys

import pytest
import rich

from emotion.utils.progress import is_interactive, progress_bar


@pytest.mark.parametrize(
    ("unit", "total", "line"),
    [("clips", 1_200, "decoding: 1,200 clips"), ("bytes", 3_000_000, "decoding: 3.0 MB")],
)
def test_without_a_terminal_one_line_gives_the_total(
    caplog: pytest.LogCaptureFixture, unit: str, total: int, line: str
) -> None:
    caplog.set_level(logging.INFO)
    update = progress_bar("decoding", unit)
    for done, known_total in [(0, 0), (10, 0), (10, total), (total, total)]:
        update(done, known_total)
    assert caplog.messages == [line]


def test_a_bar_needs_a_terminal_and_rank_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_interactive()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert is_interactive()
    monkeypatch.setenv("RANK", "1")
    assert not is_interactive()


def test_in_a_terminal_a_bar_is_drawn_until_all_is_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(rich, "_console", None)  # another test may have made it, for no terminal
    update = progress_bar("decoding")
    update(3, 4)
    assert caplog.messages == []
    update(4, 4)
    assert "4/4" in capsys.readouterr().out
    assert caplog.messages == ["decoding: 4 clips"]
