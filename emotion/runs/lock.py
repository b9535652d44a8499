"""Exclusive lock on a run folder."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.errors import RunError
from emotion.utils.distributed import is_rank_zero
from emotion.utils.files import remove_leftovers
from emotion.utils.locks import LOCK

SLURM_CHECKPOINTS = "hpc_ckpt_*"  # of Lightning

log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Lock a run folder for this process; wait while another process has the lock.

    The lock is released when the process ends, however it ends. All ranks of a distributed run
    share it. Temporary files of processes that were killed are deleted.

    Raises:
        RunError: the folder was deleted meanwhile, or has checkpoints of another program.
    """
    if not is_rank_zero():
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process uses %s: waiting for it to end", folder)
        try:
            lock.acquire()
        except FileNotFoundError as err:
            raise RunError(f"{folder} was deleted by the other process.") from err
    try:
        remove_leftovers(folder)
        if (folder / "config.yaml").exists():
            delete_slurm_checkpoints(folder)
        elif found := sorted(folder.glob(SLURM_CHECKPOINTS)):
            raise RunError(
                f"{found[0]} is a checkpoint of another program, which Lightning would load "
                "under SLURM. Choose another folder with hydra.run.dir=FOLDER."
            )
        yield
    finally:
        lock.release()


def delete_slurm_checkpoints(folder: Path) -> None:
    """Delete checkpoints of Lightning's SLURM handler: last.ckpt holds the same state.

    Under SLURM, Lightning would load them before every prediction, instead of the best epoch.
    """
    for path in folder.glob(SLURM_CHECKPOINTS):
        path.unlink()
