"""Progress of long work: a bar in a terminal, else one line at the end."""

import logging
import sys
from collections.abc import Callable

from emotion.utils.distributed import is_rank_zero

log = logging.getLogger(__name__)


def is_interactive() -> bool:
    """Return whether messages go to a terminal, and this process is the one that writes them."""
    return sys.stderr.isatty() and is_rank_zero()


def progress_bar(name: str, unit: str = "clips") -> Callable[[int, int], None]:
    """Return a function that takes (done, total) and updates a progress bar.

    Without a terminal only the total is logged, when all is done. A total of 0 means unknown. For
    the unit "bytes" the speed is displayed too.
    """

    def log_total(total: int) -> None:
        from rich.filesize import decimal

        log.info("%s: %s", name, decimal(total) if unit == "bytes" else f"{total:,} {unit}")

    if not is_interactive():
        return lambda done, total: log_total(total) if done >= total > 0 else None

    from rich import progress

    columns = [progress.TextColumn(f"{name:>12}"), progress.BarColumn()]
    if unit == "bytes":
        columns += [progress.DownloadColumn(), progress.TransferSpeedColumn()]
    else:
        columns += [progress.MofNCompleteColumn()]
    bar = progress.Progress(*columns, progress.TimeRemainingColumn(), transient=True)
    task = bar.add_task(name, total=None)

    def update(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total or None)
        if done >= total > 0:
            bar.stop()
            log_total(total)

    return update
