"""Exclusive lock on a run folder."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.utils.distributed import is_first

LOCK = ".lock"

log = logging.getLogger(__name__)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run folder from other processes, and wait for one that has it.

    The lock goes with the process, however that ends. Processes of one distributed run share it.
    """
    if not is_first():
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process works on %s: waiting for it", folder)
        lock.acquire()
    try:
        for leftover in folder.rglob(".*.partial"):
            leftover.unlink()
        drop_requeued(folder)
        yield
    finally:
        lock.release()


def drop_requeued(folder: Path) -> None:
    """Delete what Lightning's SLURM handler saved: last.ckpt is the same, and the run's own.

    Lightning would load it before every prediction under SLURM, in place of the best epoch.
    """
    for path in folder.glob("hpc_ckpt_*"):
        path.unlink()
