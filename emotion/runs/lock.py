"""Exclusive lock on a run folder."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.utils.distributed import is_rank_zero
from emotion.utils.locks import LOCK

log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Lock a run folder for this process; wait while another process has the lock.

    The lock is released when the process ends, however it ends. All ranks of a distributed run
    share it. Partial files of a killed process are deleted.
    """
    if not is_rank_zero():
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process uses %s: waiting for it to end", folder)
        lock.acquire()
    try:
        for leftover in folder.rglob(".*.partial"):
            leftover.unlink()
        delete_slurm_checkpoints(folder)
        yield
    finally:
        lock.release()


def delete_slurm_checkpoints(folder: Path) -> None:
    """Delete checkpoints of Lightning's SLURM handler: last.ckpt holds the same state.

    Under SLURM, Lightning would load them before every prediction, instead of the best epoch.
    """
    for path in folder.glob("hpc_ckpt_*"):
        path.unlink()
