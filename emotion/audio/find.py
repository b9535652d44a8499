"""Finds audio files by their names; nothing is opened."""

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
    Links to folders are not followed, so a circle of links ends; a link to nowhere is found, so
    that who opens it can say so.
    """
    globs = glob.lower().split()
    if "audio" in globs:
        globs += [f"*{suffix}" for suffix in SUFFIXES]
    fits = re.compile("|".join(fnmatch.translate(pattern) for pattern in globs)).match
    for place, _, names in os.walk(folder):
        below = os.path.relpath(place, folder)
        for name in names:
            if fits(name.lower()):
                full = os.path.join(place, name)  # noqa: PTH118 - 100,000 times
                relative = name if below == "." else f"{below}/{name}"
                there = os.path.exists(full)  # noqa: PTH110
                yield relative, os.stat(full) if there else os.lstat(full)  # noqa: PTH116


def file_status(path: str) -> os.stat_result | None:
    """Return the status of what a path leads to, or None where that is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - 100,000 times
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
