"""Checkpoints under kills and damage."""

import os
from pathlib import Path

import pytest
import torch

from emotion.errors import RunError
from emotion.runs.checkpoints import (
    LAST,
    PREVIOUS,
    SafeCheckpointIO,
    drop_after,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


class Killed(BaseException):
    """Stands for the end of the process."""


def save(folder: Path, step: int) -> None:
    SafeCheckpointIO().save_checkpoint({"global_step": step}, folder / LAST)


def newest_step(folder: Path) -> int:
    path = newest_checkpoint(folder)
    assert path is not None
    drop_after(path)
    return int(read_checkpoint(path)["global_step"])


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Let the given change of a name on the disk be the last: it is not done."""
    left = [call]
    replace = Path.replace

    def counted(path: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", counted)


@pytest.mark.parametrize("second_kill", range(5))
@pytest.mark.parametrize("kill", range(5))
def test_a_kill_between_any_two_renames_leaves_a_whole_checkpoint(
    kill: int, second_kill: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    step = 2
    for call in (kill, second_kill):
        with monkeypatch.context() as patch:
            kill_at(patch, call)
            try:
                save(tmp_path, step + 1)
            except Killed:
                assert newest_step(tmp_path) in (step, step + 1)
            step = newest_step(tmp_path)
    save(tmp_path, step + 1)
    assert newest_step(tmp_path) == step + 1
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == step


@pytest.mark.parametrize("kill", range(4))
def test_a_kill_while_a_checkpoint_is_replaced_leaves_the_old_or_the_new(
    kill: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = tmp_path / "best.ckpt"
    write_checkpoint(best, {"temperature": 1})
    for _ in range(2):
        with monkeypatch.context() as patch:
            kill_at(patch, kill)
            try:
                write_checkpoint(best, {"temperature": 2})
            except Killed:
                assert read_checkpoint(best)["temperature"] in (1, 2)
    write_checkpoint(best, {"temperature": 3})
    assert read_checkpoint(best)["temperature"] == 3
    assert len((tmp_path / "best.ckpt.sha256").read_text().split()) == 1


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [truncate, flip_bit, empty]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_one_gives_way_to_the_one_before_and_is_named(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    damage(tmp_path / LAST)  # type: ignore[operator]
    assert newest_step(tmp_path) == 1
    assert "last.ckpt is damaged" in caplog.text
    save(tmp_path, 2)
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == 1, "the damaged one is not kept"


def test_two_damaged_ones_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    truncate(tmp_path / LAST)
    flip_bit(tmp_path / PREVIOUS)
    with pytest.raises(RunError, match="delete both, and resume= trains from the beginning"):
        newest_checkpoint(tmp_path)


def test_a_first_checkpoint_that_is_damaged_or_missing_means_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_checkpoint(tmp_path / "best.ckpt", {})
    assert newest_checkpoint(tmp_path) is None
    save(tmp_path, 1)
    empty(tmp_path / LAST)
    assert newest_checkpoint(tmp_path) is None
    assert "going on from the beginning" in caplog.text


def test_a_run_that_was_moved_remembers_its_best_epoch(tmp_path: Path) -> None:
    there = "/elsewhere/checkpoints"
    state = {
        "dirpath": there,
        "best_model_path": f"{there}/best.ckpt",
        "kth_best_model_path": f"{there}/best.ckpt",
        "last_model_path": "",
        "best_k_models": {f"{there}/best.ckpt": torch.tensor(0.5)},
    }
    path = tmp_path / LAST
    write_checkpoint(path, {"callbacks": {"ModelCheckpoint{}": state, "EarlyStopping{}": {}}})
    found = SafeCheckpointIO().load_checkpoint(path)["callbacks"]["ModelCheckpoint{}"]
    assert found["dirpath"] == str(tmp_path)
    assert found["best_k_models"] == {str(tmp_path / "best.ckpt"): torch.tensor(0.5)}
    assert found["best_model_path"] == str(tmp_path / "best.ckpt")
    assert found["last_model_path"] == ""
