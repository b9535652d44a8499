"""Writes log lines to train.log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotion.utils.distributed import is_first

log = logging.getLogger(__name__)


@contextmanager
def log_to_file(folder: Path) -> Iterator[None]:
    """Write the first process' log lines to `folder`/train.log too, after those that are there."""
    if not is_first():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
