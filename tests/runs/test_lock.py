"""The lock on a run folder."""

import fcntl
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotion.errors import RunError
from emotion.runs.lock import LOCK, locked_run


def test_a_run_folder_is_used_by_one_process_which_deletes_partial_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").touch()
    leftover = tmp_path / "checkpoints" / ".last.ckpt.emotion-123.partial"
    leftover.touch()
    (tmp_path / "hpc_ckpt_1.ckpt").touch()
    before = signal.getsignal(signal.SIGALRM)
    with (tmp_path / LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        signal.signal(signal.SIGALRM, lambda *_: fcntl.flock(other, fcntl.LOCK_UN))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with locked_run(tmp_path):
            assert not leftover.exists()
            assert not (tmp_path / "hpc_ckpt_1.ckpt").exists()
    signal.signal(signal.SIGALRM, before)
    assert "another process uses" in caplog.text
    assert "waiting for it to end" in caplog.text


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an error"), locked_run(tmp_path):
        raise ValueError("an error")
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_other_ranks_share_the_lock_of_rank_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_run(tmp_path):
        monkeypatch.setattr("emotion.runs.lock.is_rank_zero", lambda: False)
        with locked_run(tmp_path):
            pass


def test_files_of_other_programs_are_kept(tmp_path: Path) -> None:
    names = (".x.partial", "deep/.x.123.partial", ".x.emotion-.partial", ".emotion-12.partial")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with locked_run(tmp_path):
        assert all((tmp_path / name).exists() for name in names)
    checkpoint = tmp_path / "hpc_ckpt_1.ckpt"
    checkpoint.touch()
    with pytest.raises(RunError, match=r"hpc_ckpt_1\.ckpt is a checkpoint of another program"):
        locked_run(tmp_path).__enter__()
    assert checkpoint.exists()


def test_a_folder_that_is_deleted_by_the_owner_of_its_lock_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "run"
    folder.mkdir()
    with ThreadPoolExecutor(1) as pool, (folder / LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.submit(locked_run(folder).__enter__)
        while "waiting for it to end" not in caplog.text:
            assert not waiting.done()
        folder.rename(tmp_path / "deleted")
        other.close()
        with pytest.raises(RunError, match="was deleted by the other process"):
            waiting.result(30)
    assert not folder.exists()
