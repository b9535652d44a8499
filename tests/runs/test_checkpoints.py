"""Checkpoints under kills and damage."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from emotion.errors import RunError
from emotion.runs.checkpoints import (
    LAST,
    PREVIOUS,
    SafeCheckpointIO,
    delete_damaged_last,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from emotion.runs.run import Run
from emotion.utils.files import file_digest
from tests.support.damages import DAMAGES, empty, flip_bit, truncate


class Killed(BaseException):
    """A kill of the process, which no handler of errors catches."""


def save(folder: Path, step: int) -> None:
    SafeCheckpointIO().save_checkpoint({"global_step": step}, folder / LAST)


def newest_step(folder: Path) -> int:
    path = newest_checkpoint(folder)
    assert path is not None
    delete_damaged_last(path)
    return int(read_checkpoint(path)["global_step"])


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Kill the process at its rename number `call`, which is not done."""
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
def test_a_kill_at_any_rename_leaves_an_intact_checkpoint(
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


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_checkpoint_is_named_and_the_previous_one_is_used(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    damage(tmp_path / LAST)  # type: ignore[operator]
    assert newest_step(tmp_path) == 1
    assert "last.ckpt is damaged" in caplog.text
    save(tmp_path, 2)
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == 1, (
        "a damaged file is not kept as previous.ckpt"
    )


def test_two_damaged_checkpoints_are_an_error_with_the_next_step(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    truncate(tmp_path / LAST)
    flip_bit(tmp_path / PREVIOUS)
    with pytest.raises(RunError, match="delete both: resume= then trains from the beginning"):
        newest_checkpoint(tmp_path)


def test_without_an_intact_first_checkpoint_training_starts_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_checkpoint(tmp_path / "best.ckpt", {})
    assert newest_checkpoint(tmp_path) is None
    save(tmp_path, 1)
    empty(tmp_path / LAST)
    assert newest_checkpoint(tmp_path) is None
    assert "training continues from the beginning" in caplog.text


def test_a_moved_run_keeps_its_best_epoch(tmp_path: Path) -> None:
    old = "/elsewhere/checkpoints"
    state = {
        "dirpath": old,
        "best_model_path": f"{old}/best.ckpt",
        "kth_best_model_path": f"{old}/best.ckpt",
        "last_model_path": "",
        "best_k_models": {f"{old}/best.ckpt": torch.tensor(0.5)},
    }
    path = tmp_path / LAST
    write_checkpoint(path, {"callbacks": {"ModelCheckpoint{}": state, "EarlyStopping{}": {}}})
    found = SafeCheckpointIO().load_checkpoint(path)["callbacks"]["ModelCheckpoint{}"]
    assert found["dirpath"] == str(tmp_path)
    assert found["best_k_models"] == {str(tmp_path / "best.ckpt"): torch.tensor(0.5)}
    assert found["best_model_path"] == str(tmp_path / "best.ckpt")
    assert found["last_model_path"] == ""


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.mark),)


def planted(value: Any, bomb: Bomb) -> Iterator[Any]:
    """Yield a value with a bomb in each place of it, key or value, in turn."""
    yield bomb
    if isinstance(value, dict):
        yield value | {bomb: 0}
        for key, child in value.items():
            yield from (value | {key: changed} for changed in planted(child, bomb))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            for changed in planted(child, bomb):
                yield type(value)([*value[:index], changed, *value[index + 1 :]])


def test_a_bomb_at_any_place_of_a_checkpoint_is_refused(finished: Run, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "best.ckpt"
    checkpoint = read_checkpoint(finished.best)
    checkpoint["state_dict"] = dict(list(checkpoint["state_dict"].items())[:3])
    checkpoint["optimizer_states"] = [{"state": {0: {"step": torch.zeros(1)}}, "param_groups": []}]
    places = list(planted(checkpoint, Bomb(mark)))
    assert len(places) > 50
    for bombed in places:
        torch.save(bombed, path)
        path.with_name("best.ckpt.sha256").write_text(file_digest(path) + "\n")
        with pytest.raises(RunError, match="contains more than tensors and plain values"):
            read_checkpoint(path)
        assert not mark.exists()


@pytest.mark.parametrize("content", [[], 3, torch.zeros(2), "text"])
def test_a_file_of_plain_values_that_is_not_a_checkpoint_is_named(
    content: object, tmp_path: Path
) -> None:
    path = tmp_path / "best.ckpt"
    torch.save(content, path)
    path.with_name("best.ckpt.sha256").write_text(file_digest(path) + "\n")
    with pytest.raises(RunError, match="does not hold a checkpoint"):
        read_checkpoint(path)


def test_a_missing_incomplete_or_unsafe_checkpoint_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / LAST
    with pytest.raises(RunError, match=r"last\.ckpt does not exist"):
        read_checkpoint(path)
    path.write_bytes(b"half")
    with pytest.raises(RunError, match=r"last\.ckpt is incomplete: it has no checksum"):
        read_checkpoint(path)
    write_checkpoint(path, {"object": tmp_path})
    with pytest.raises(RunError, match="contains more than tensors and plain values"):
        read_checkpoint(path)
