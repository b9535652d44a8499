"""Writes log lines to train.log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotion.utils.distributed import is_rank_zero


@contextmanager
def log_to_file(folder: Path) -> Iterator[None]:
    """Append the log lines of rank zero to `folder`/train.log."""
    if not is_rank_zero():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root, own = logging.getLogger(), logging.getLogger("emotion")
    level = own.level
    if not own.isEnabledFor(logging.INFO):  # a notebook, whose root logger keeps warnings only
        own.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        own.setLevel(level)
        handler.close()
