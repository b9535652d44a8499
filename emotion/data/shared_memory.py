"""Room for the batches that loader processes hand over in shared memory."""

import shutil
from pathlib import Path

from emotion.errors import ConfigError

SHARED_MEMORY = Path("/dev/shm")  # of Linux; other systems have no limit of their own
BATCHES_PER_WORKER = 2  # PyTorch's default of prefetch_factor

WORKER_TIMEOUT_S = 600
"""Time for one batch of a loader process, after which the run ends with an error."""


def check_shared_memory(batch_bytes: int, *, workers: int) -> None:
    """Raise ConfigError if the shared memory cannot hold the batches of the loader processes.

    A process that finds it full is killed by the system, and the others would wait for it.
    """
    if not workers or not SHARED_MEMORY.is_dir():
        return
    needed, free = BATCHES_PER_WORKER * workers * batch_bytes, shutil.disk_usage(SHARED_MEMORY).free
    if needed > free:
        raise ConfigError(
            f"loader.num_workers={workers} needs {needed / 1e6:,.1f} MB of shared memory, and "
            f"{SHARED_MEMORY} has {free / 1e6:,.1f} MB free. Set loader.num_workers=0, "
            "make room, or give the container more (docker run --shm-size=2g)."
        )
