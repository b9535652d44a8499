"""Atomic files and folders."""

import errno
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotion.utils.files import (
    build_folder,
    folder_name,
    full_disk,
    remove_leftovers,
    replaced_folder,
    write_text,
    written_whole,
)
from emotion.utils.locks import LOCK, try_exclusive_lock


def fail_full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_text(tmp_path / "a.txt", "before")
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail_full_disk)
        with pytest.raises(OSError, match="No space left") as raised:
            write_text(tmp_path / "a.txt", "after")
    assert raised.value.filename == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with written_whole(tmp_path / "a.bin") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_found_among_the_causes_of_an_error() -> None:
    error, cause = RuntimeError("enforce fail"), OSError(errno.ENOSPC, "No space left on device")
    error.__cause__ = ValueError()
    assert full_disk(error) is None
    error.__cause__.__context__ = cause
    assert full_disk(error) is cause


def test_a_killed_build_is_continued_and_has_no_final_name(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "folder"

    def build(folder: Path) -> None:
        if (folder / "first").exists():
            (folder / "second").touch()
        else:
            (folder / "first").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_folder(final, build)
    assert not final.exists()
    build_folder(final, build)
    assert {path.name for path in final.iterdir()} == {"first", "second", LOCK}
    assert {path.name for path in final.parent.iterdir()} <= {"folder", "folder.lock"}


def test_an_existing_folder_is_not_built_again(tmp_path: Path) -> None:
    build_folder(tmp_path, fail_full_disk)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_locked_until_the_lock_on_it_is_deleted(tmp_path: Path) -> None:
    lock = build_folder(tmp_path / "folder", lambda _: None)
    with try_exclusive_lock(tmp_path / "folder" / LOCK) as free:
        assert not free
    del lock
    with try_exclusive_lock(tmp_path / "folder" / LOCK) as free:
        assert free


def test_a_folder_that_is_deleted_just_before_it_is_locked_is_built_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    build_folder(folder, lambda _: None)
    with ThreadPoolExecutor(1) as pool:
        with try_exclusive_lock(folder / LOCK):
            lock = pool.submit(build_folder, folder, lambda _: None)
            time.sleep(0.2)
            folder.rename(tmp_path / "deleted")
        assert lock.result(30)
    assert folder.is_dir()


def test_threads_that_want_one_folder_build_it_once(tmp_path: Path) -> None:
    ready = threading.Barrier(3)
    builds: list[Path] = []

    def request(_: int) -> None:
        ready.wait(30)
        build_folder(tmp_path / "folder", builds.append)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(request, range(3)))
    assert builds == [tmp_path / "folder.partial"]


@pytest.mark.parametrize("text", ["../../x", "/etc", "..", ".", "", "a/../../b", "\0", "x" * 999])
def test_a_folder_name_of_any_text_stays_in_its_parent(tmp_path: Path, text: str) -> None:
    folder = tmp_path / folder_name(text)
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert folder.resolve() != tmp_path.resolve()


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def replace_and_die(target: Path, renames: int) -> None:
    """Replace a folder, and die after a number of renames."""
    rename = Path.rename

    def counted(path: Path, other: Path) -> None:
        nonlocal renames
        rename(path, other)
        renames -= 1
        if not renames:
            die()

    Path.rename = counted  # type: ignore[assignment, method-assign]
    with replaced_folder(target) as folder:
        (folder / "name").write_text("new")
        if not renames:
            die()


def write_and_die(path: Path) -> None:
    with written_whole(path, "w") as file:
        file.write("half")
        file.flush()
        die()


def run_killed(function: Callable[..., None], *arguments: object) -> None:
    """Call a function in a process of its own, which SIGKILL ends."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(("renames", "content"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_kill_while_a_folder_is_replaced_leaves_one_of_both_and_no_other(
    tmp_path: Path, renames: int, content: str
) -> None:
    target = tmp_path / "export"
    with replaced_folder(target) as folder:
        (folder / "name").write_text("old")
    run_killed(replace_and_die, target, renames)
    assert len(list(tmp_path.iterdir())) > 1
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [target]
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("name", content)]


def test_a_kill_within_a_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    run_killed(write_and_die, tmp_path / "a.txt")
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_a_living_process_writes_is_no_leftover(tmp_path: Path) -> None:
    with (
        replaced_folder(tmp_path / "folder") as folder,
        written_whole(tmp_path / "a.txt", "w") as file,
    ):
        (folder / "name").touch()
        remove_leftovers(tmp_path)
        file.write("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "folder"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert (tmp_path / "folder" / "name").exists()
