"""What a person sees while clips are worked on: bars where someone watches, else plain lines."""

import logging
import sys
from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from emotion.ranks import is_first

log = logging.getLogger(__name__)


def watched() -> bool:
    """Return whether a terminal shows what is printed."""
    return sys.stderr.isatty() and is_first()


def bars(name: str) -> Callable[[int, int], None]:
    """Return a function that is told (done, total) and shows a bar, or a line at the end."""
    if not watched():

        def say(done: int, total: int) -> None:
            if done >= total:
                log.info("%s: %s clips", name, f"{total:,}")

        return say

    progress = Progress(
        TextColumn(f"{name:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )
    task = progress.add_task(name, total=None)

    def show(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)
        if done >= total:
            progress.stop()
            log.info("%s: %s clips", name, f"{total:,}")

    return show
