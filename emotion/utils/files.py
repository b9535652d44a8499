"""Atomic files and folders: written beside the final path, flushed to disk, then renamed."""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from emotion.utils.locks import LOCK, SharedLock, try_exclusive_lock

log = logging.getLogger(__name__)

LEFTOVER = re.compile(r"(?P<start>\.(?P<name>.+)\.emotion-\d+)\.(?P<kind>partial|old|lock)")
"""Temporary names of this program: hidden, with the number of the process."""

FULL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT)  # of a full disk and of an exhausted quota
READ_ONLY_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS)  # of a folder without permission


@contextlib.contextmanager
def written_whole(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file for writing; rename it to `path` when it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary(path, "partial")
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    try:
        with path_in_errors(path):
            with _open_locked(partial, mode, **text) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill, which replaces `target` only when it is complete."""
    partial, old, lock = (_temporary(target, kind) for kind in ("partial", "old", "lock"))
    with _open_locked(lock, "w"):
        partial.mkdir()
        try:
            yield partial
            sync_folder(partial)
            if target.exists():
                target.rename(old)
            partial.rename(target)
            sync_folder(target.parent)
        finally:
            if old.exists() and not target.exists():
                old.rename(target)
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
            lock.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what processes that were killed left in a folder and below it.

    These are temporary files and folders of `written_whole` and `replaced_folder` without the lock
    of a process; a folder that was being replaced gets its name back.
    """
    for path in sorted(folder.rglob(".*.emotion-*")):
        match = LEFTOVER.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.exists():
            continue
        lock = path if path.is_file() else path.with_name(f"{match['start']}.lock")
        with try_exclusive_lock(lock) as free:
            if not free:
                continue
            original = path.with_name(match["name"])
            try:
                if match["kind"] == "old" and not original.exists():
                    path.rename(original)
                elif path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except PermissionError as err:
                log.warning("%s of a process that was killed cannot be deleted: %s", path, err)


def _temporary(path: Path, kind: str) -> Path:
    """Return a hidden path beside another one, for this process."""
    return path.with_name(f".{path.name}.emotion-{os.getpid()}.{kind}")


def _open_locked(path: Path, mode: str, **text: str) -> IO[Any]:
    """Open a temporary file that `remove_leftovers` keeps as long as it is open."""
    while True:
        file: IO[Any] = path.open(mode, **text)  # type: ignore[call-overload]
        with contextlib.suppress(OSError):  # a disk without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # deleted before it was locked


def build_folder(final: Path, build: Callable[[Path], None]) -> SharedLock:
    """Build a folder once, even if several processes request it; return a lock on it.

    A lock beside the folder, `<final>.lock`, lets one process build at a time. `emotion prune`
    keeps the folder as long as the lock that is returned exists.

    Args:
        final: the folder; it exists only when it is complete.
        build: fills the folder that it is given, `<final>.partial`. A build that was killed leaves
            its files there, so that `build` can continue from them.
    """
    from filelock import FileLock  # imports asyncio: 0.1 s that --help has no use for

    while True:
        if final.is_dir():
            lock = SharedLock(final)
            if final.is_dir():  # not deleted just before it was locked
                return lock
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(final.with_name(f"{final.name}.lock")):
            if not final.is_dir():
                partial = final.with_name(f"{final.name}.partial")
                partial.mkdir(exist_ok=True)
                build(partial)
                (partial / LOCK).touch()
                partial.rename(final)
                sync_folder(final.parent)


@contextlib.contextmanager
def path_in_errors(path: Path) -> Iterator[None]:
    """Add the path to an OSError without one, such as a failed write on a full disk."""
    try:
        yield
    except OSError as err:
        if err.filename is None:
            err.filename = str(path)
        raise


def full_disk(error: BaseException) -> OSError | None:
    """Return the full-disk error among the causes of an error, if any: torch's writer hides it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL_DISK_ERRORS:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def folder_name(text: str) -> str:
    """Return text as a short file or folder name that cannot lead to another folder."""
    return re.sub(r"[^\w=+. -]+", "-", text)[:48].lstrip(".") or "-"


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_whole(path, "w") as file:
        file.write(text)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically, with floats at full precision."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
