"""Shared and exclusive locks (flock), released when their process ends, however it ends.

They exclude the file locks of the package `filelock` too, and on most shared file systems those of
other machines.
"""

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"  # name of the lock file in a folder


class SharedLock:
    """Shared lock on a folder, held until this object is deleted; a copy holds none.

    It waits while the folder has an exclusive lock, and sets the time of the lock file: the last
    use of the folder. Without a lock file, or on a disk without locks, it does nothing.
    """

    def __init__(self, folder: Path) -> None:
        handle = _open(folder / LOCK)
        if handle is not None:
            weakref.finalize(self, os.close, handle)
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH)
                os.utime(handle)


@contextlib.contextmanager
def try_exclusive_lock(file: Path, *, create: bool = False) -> Iterator[bool]:
    """Lock a file for a block; yield False if it is locked already.

    A file that does not exist needs no lock, unless `create` is set.
    """
    if create:
        with contextlib.suppress(OSError):  # its folder is gone, or read-only
            file.touch()
    with contextlib.ExitStack() as stack:
        handle, free = _open(file), True
        if handle is not None:
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
            except OSError:  # a disk without locks
                pass
        yield free


def _open(file: Path) -> int | None:
    """Return a handle of an existing file, to write if that is allowed, else to read."""
    for mode in (os.O_RDWR, os.O_RDONLY):  # NFS wants one to write for an exclusive lock
        with contextlib.suppress(OSError):
            return os.open(file, mode)
    return None
