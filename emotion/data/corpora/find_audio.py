"""Finds audio files by their names; nothing is opened."""

import contextlib
import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from emotion.audio.decode import SUFFIXES


def find_files(folder: Path, glob: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path below `folder`, status) of files whose name fits `glob`, case ignored.

    `glob` may be several, separated by spaces; «audio» stands for every suffix that is read.
    Links to folders are not followed, so a circle of links ends. They are found all the same, and
    so are links to nowhere, folders called like a clip and folders that cannot be opened: who
    opens them can say what they are.
    """
    globs = glob.lower().split()
    if "audio" in globs:
        globs += [f"*{suffix}" for suffix in SUFFIXES]
    fits = re.compile("|".join(fnmatch.translate(pattern) for pattern in globs)).match
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        below = os.path.relpath(place, folder)
        for name in names + folders:
            full = os.path.join(place, name)  # noqa: PTH118 - 100,000 times
            if fits(name.lower()) or (name in folders and os.path.islink(full)):  # noqa: PTH114
                relative = name if below == "." else f"{below}/{name}"
                yield relative, _status(full)
    for error in closed:
        yield os.path.relpath(error.filename, folder), _status(error.filename)


def file_status(path: str) -> os.stat_result | None:
    """Return the status of what a path leads to, or None where that is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - 100,000 times
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _status(path: str) -> os.stat_result:
    """Return the status of what a path leads to; of a link to nowhere its own."""
    for look in (os.stat, os.lstat):
        with contextlib.suppress(OSError):
            return look(path)
    return os.stat_result([0] * 10)
