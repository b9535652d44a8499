"""train.log."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion.training.log_file import log_to_file

log = logging.getLogger("emotion.training.anything")


@pytest.fixture(autouse=True)
def quiet_root() -> Iterator[None]:
    """A root logger that keeps warnings only, as in a notebook."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(before)


def test_lines_are_appended_even_where_the_root_logger_keeps_warnings_only(tmp_path: Path) -> None:
    for number in (1, 2):
        with log_to_file(tmp_path / "run"):
            log.info("epoch %d", number)
        log.info("after the run")
    lines = (tmp_path / "run" / "train.log").read_text().splitlines()
    assert [line.split("INFO ")[1] for line in lines] == ["epoch 1", "epoch 2"]


def test_loggers_are_left_as_they_were(tmp_path: Path) -> None:
    root, own = logging.getLogger(), logging.getLogger("emotion")
    before = (list(root.handlers), own.level)
    with pytest.raises(ValueError, match="an error"), log_to_file(tmp_path):
        raise ValueError("an error")
    assert (list(root.handlers), own.level) == before


def test_only_rank_zero_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.training.log_file.is_rank_zero", lambda: False)
    with log_to_file(tmp_path / "run"):
        log.info("epoch 1")
    assert not (tmp_path / "run").exists()
