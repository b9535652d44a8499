"""Shared and exclusive locks."""

import copy
import os
import pickle
from pathlib import Path

import pytest
from filelock import FileLock

from emotion.utils.locks import LOCK, SharedLock, try_exclusive_lock


def is_locked(file: Path) -> bool:
    with try_exclusive_lock(file) as free:
        return not free


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / LOCK).touch()
    return tmp_path


def test_a_folder_is_locked_until_its_last_shared_lock_is_deleted(folder: Path) -> None:
    locks = [SharedLock(folder), SharedLock(folder)]
    for _ in range(2):
        assert is_locked(folder / LOCK)
        locks.pop()
    assert not is_locked(folder / LOCK)


def test_a_copy_holds_no_lock(folder: Path) -> None:
    lock = SharedLock(folder)
    copies = copy.deepcopy(lock), pickle.loads(pickle.dumps(lock))
    del lock
    assert not is_locked(folder / LOCK)
    assert len(copies) == 2


def test_a_shared_lock_sets_the_time_of_the_last_use(folder: Path) -> None:
    os.utime(folder / LOCK, (1, 1))
    SharedLock(folder)
    assert (folder / LOCK).stat().st_mtime > 1


def test_an_exclusive_lock_lasts_for_a_block_and_excludes_file_locks(folder: Path) -> None:
    with FileLock(folder / LOCK):
        assert is_locked(folder / LOCK)
    with try_exclusive_lock(folder / LOCK) as free:
        assert free
        assert is_locked(folder / LOCK)
    assert not is_locked(folder / LOCK)


def test_a_folder_without_a_lock_file_is_not_written_to(tmp_path: Path) -> None:
    lock = SharedLock(tmp_path)
    assert not is_locked(tmp_path / LOCK)
    assert list(tmp_path.iterdir()) == []
    del lock


def test_a_reader_that_may_not_write_locks_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_to_read_only(file: Path, mode: int) -> int:
        if mode != os.O_RDONLY:
            raise PermissionError
        return opened(file, mode)

    opened = os.open
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_to_read_only)
        lock = SharedLock(folder)
    assert is_locked(folder / LOCK)
    del lock


def test_a_disk_without_locks_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    SharedLock(folder)
    assert not is_locked(folder / LOCK)
