"""What a person sees while clips are worked on: bars where someone watches, else plain lines."""

import logging
import sys
from collections.abc import Callable

from emotion.utils.distributed import is_first

log = logging.getLogger(__name__)


def is_interactive() -> bool:
    """Return whether a terminal shows what is printed."""
    return sys.stderr.isatty() and is_first()


def bars(name: str, unit: str = "clips") -> Callable[[int, int], None]:
    """Return a function that is told (done, total) and shows a bar, or a line at the end.

    Args:
        name: what is done.
        unit: what is counted; of bytes, the speed is shown too. A total of 0 is not known yet.
    """

    def end(total: int) -> None:
        from rich.filesize import decimal

        log.info("%s: %s", name, decimal(total) if unit == "bytes" else f"{total:,} {unit}")

    if not is_interactive():

        def say(done: int, total: int) -> None:
            if done >= total > 0:
                end(total)

        return say

    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    progress = Progress(
        TextColumn(f"{name:>12}"),
        BarColumn(),
        *([DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [MofNCompleteColumn()]),
        TimeRemainingColumn(),
        transient=True,
    )
    task = progress.add_task(name, total=None)

    def show(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total or None)
        if done >= total > 0:
            progress.stop()
            end(total)

    return show
