"""Signals while a model is fitted, and what a step draws."""

import fcntl
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emotion.runs.lock import LOCK, held
from emotion.training.callbacks import step_checkpoint as saving
from emotion.training.callbacks.seeding import StepSeeds
from emotion.training.callbacks.step_checkpoint import StepCheckpoints
from emotion.utils.signals import ENDING, Stopped


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def fitted(folder: Path) -> StepCheckpoints:
    callback = StepCheckpoints(folder)
    callback.on_train_start(SimpleNamespace(), None)  # type: ignore[arg-type]
    return callback


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_waits_for_the_step_and_the_second_for_nothing(
    number: signal.Signals, tmp_path: Path
) -> None:
    callback = fitted(tmp_path)
    signal.raise_signal(number)
    assert callback.signum == number
    assert {signal.getsignal(each) for each in ENDING} == {signal.SIG_DFL}


def test_a_step_that_takes_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "GRACE_SECONDS", 0.05)
    fitted(tmp_path)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped:
        time.sleep(5)
    assert stopped.value.signum == signal.SIGTERM


def test_once_training_is_done_a_signal_waits_for_nothing(tmp_path: Path) -> None:
    fitted(tmp_path).on_train_end()
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)


def test_a_step_draws_the_same_whatever_was_drawn_before_it() -> None:
    device = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(global_step=7, world_size=1, global_rank=0, strategy=device)
    drawn = []
    for _ in range(2):
        StepSeeds(3).on_train_batch_start(trainer)  # type: ignore[arg-type]
        drawn.append((torch.rand(()).item(), np.random.rand(), random.random()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_a_run_is_in_the_hands_of_one_process_which_tidies_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "checkpoints").mkdir()
    leftover = tmp_path / "checkpoints" / ".last.ckpt.123.partial"
    leftover.touch()
    with (tmp_path / LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        signal.signal(signal.SIGALRM, lambda *_: fcntl.flock(other, fcntl.LOCK_UN))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with held(tmp_path):
            assert not leftover.exists()
    assert "waiting for it" in caplog.text
