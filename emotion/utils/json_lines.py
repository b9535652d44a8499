"""Files of JSON lines that several processes append to, safe against lines that are cut off."""

import errno
import functools
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from emotion.utils.files import path_in_errors

log = logging.getLogger(__name__)


def append_json_line(path: Path, value: Mapping[str, str]) -> None:
    """Append a line in one write, and flush it to disk; a line that was cut off is ended first.

    Raises:
        OSError: the disk is full, or the file must not be written.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        with path_in_errors(path):
            size = os.fstat(handle).st_size
            cut_off = size and os.pread(handle, 1, size - 1) != b"\n"
            line = ("\n" if cut_off else "") + json.dumps(value) + "\n"
            if os.write(handle, line.encode()) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
    finally:
        os.close(handle)


def read_json_lines(path: Path, *, keys: Sequence[str]) -> list[dict[str, str]]:
    """Return the lines that are objects with text under all `keys`; none without a file.

    A warning has the number of other lines; empty ones are ignored.
    """
    if not path.is_file():
        return []
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    whole = [
        value for value in map(_parse, lines) if all(isinstance(value.get(k), str) for k in keys)
    ]
    if len(whole) < len(lines):
        _warn(path, len(lines) - len(whole), len(lines))
    return whole


def _parse(line: bytes) -> dict[str, str]:
    """Return the object of a line; an empty one for a damaged line."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@functools.cache  # once for each file and number: a command reads a file several times
def _warn(path: Path, damaged: int, total: int) -> None:
    log.warning("%s: %d of %d lines are damaged and were passed over", path, damaged, total)
