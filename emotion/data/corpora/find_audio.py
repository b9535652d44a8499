"""Search for audio files by name, without opening them."""

import contextlib
import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from emotion.audio.decode import SUFFIXES
from emotion.utils.names import path_key

EDGE_BYTES = 64 * 1024


def find_files(folder: Path, glob: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path below `folder`, status) of files whose name matches `glob`, ignoring case.

    `glob` has one or more patterns, separated by spaces; "audio" stands for all audio suffixes.
    Links to folders are not followed, so loops end, but they, broken links, folders with the name
    of a clip and folders without permission are included, so that the caller can report them.
    """
    globs = glob.lower().split()
    if "audio" in globs:
        globs += [f"*{suffix}" for suffix in SUFFIXES]
    matches = re.compile("|".join(fnmatch.translate(pattern) for pattern in globs)).match
    errors: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=errors.append):
        below = os.path.relpath(parent, folder)
        for name in names + folders:
            full = os.path.join(parent, name)  # noqa: PTH118 - 100,000 times
            if matches(name.lower()) or (name in folders and os.path.islink(full)):  # noqa: PTH114
                relative = name if below == "." else f"{below}/{name}"
                yield relative, _status(full)
    for error in errors:
        yield os.path.relpath(error.filename, folder), _status(error.filename)


def paths_on_disk(root: Path, paths: Iterable[str]) -> list[str]:
    """Return paths below `root` as they are spelled on disk.

    A path without a file is tried in other Unicode forms and, with slashes for backslashes, as one
    of Windows; it is returned unchanged if there is no such file.
    """
    names: dict[str, dict[str, str]] = {}

    def entries(folder: str) -> dict[str, str]:
        if folder not in names:
            with contextlib.suppress(OSError, ValueError):
                names[folder] = {path_key(name): name for name in os.listdir(folder)}  # noqa: PTH208
        return names.setdefault(folder, {})

    def spell(path: str) -> str:
        if os.path.lexists(os.path.join(root, path)):  # noqa: PTH118 - 100,000 times
            return path
        for form in dict.fromkeys((path, path.replace("\\", "/"))):
            parts, found = form.split("/"), ""
            for part in parts:
                folder = os.path.join(root, found)  # noqa: PTH118
                name = part if part in ("", ".", "..") else entries(folder).get(path_key(part))
                if name is None:
                    break
                found += f"{name}/"
            else:
                return found[:-1]
        return path

    return [spell(path) for path in paths]


def file_status(path: str) -> os.stat_result | None:
    """Return the status of a regular file, links followed; None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116 - 100,000 times
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def change_time(path: str) -> int:
    """Return the time of the last change of a file or of its status (ctime) in ns, else 0."""
    status = file_status(path)
    return status.st_ctime_ns if status else 0


def edge_hash(path: str) -> str:
    """Return a hash of the first and last 64 KiB of a file; empty if it cannot be read.

    It recognises a file that was replaced by another one of the same size and time.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - 100,000 times
            digest = hashlib.sha256(file.read(EDGE_BYTES))
            rest = os.fstat(file.fileno()).st_size - EDGE_BYTES
            if rest > 0:
                file.seek(-min(rest, EDGE_BYTES), os.SEEK_END)
                digest.update(file.read(EDGE_BYTES))
    except OSError:
        return ""
    return digest.hexdigest()[:20]


def _status(path: str) -> os.stat_result:
    """Return the status of a path, links followed; for a broken link, that of the link."""
    for read_status in (os.stat, os.lstat):
        with contextlib.suppress(OSError):
            return read_status(path)
    return os.stat_result([0] * 10)
