"""Number of CPU threads of a resumed run."""

import contextlib
import logging
from collections.abc import Iterator

import torch

from emotion.runs.run import Run

log = logging.getLogger(__name__)


@contextlib.contextmanager
def threads_as_started(run: Run) -> Iterator[None]:
    """Use the number of threads that a run started with: another changes the last bits of sums."""
    before = torch.get_num_threads()
    threads = run.environment["threads"]
    if threads != before:
        log.info("%d threads, as at the start of the run, instead of %d", threads, before)
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
