"""Files that are whole or not there: written to a sibling, flushed to the disk, renamed."""

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of a full disk and of a full quota."""


@contextlib.contextmanager
def written_whole(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Give a file to write; it takes its name only once it is whole and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    try:
        with naming(path):
            with partial.open(mode, **text) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of the disk that does not: a write that finds no room."""
    try:
        yield
    except OSError as err:
        if err.filename is None:
            err.filename = str(path)
        raise


def full_disk(error: BaseException) -> OSError | None:
    """Return the full disk behind an error, if there is one: torch's writer hides it."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in NO_ROOM:
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def folder_name(text: str) -> str:
    """Return text as a name, or a part of one: short, and nothing in it leads anywhere else."""
    return re.sub(r"[^\w=+. -]+", "-", text)[:48].lstrip(".") or "-"


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with written_whole(path, "w") as file:
        file.write(text)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON, floats to the last bit, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
