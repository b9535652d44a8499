"""Checkpoints within an epoch, and signals during training."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning import Trainer

from emotion.cli.main import run
from emotion.errors import ConfigError
from emotion.runs.run import Run
from emotion.training.callbacks import step_checkpoint
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.step_checkpoint import StepCheckpoints
from emotion.utils.signals import STOP_SIGNALS, StopSignal
from tests.support.trained import Train


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def started(folder: Path) -> StepCheckpoints:
    """Return the callback of a run that is being fitted."""
    callback = StepCheckpoints(folder)
    callback.on_train_start(SimpleNamespace(), None)  # type: ignore[arg-type]
    return callback


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_signal_waits_for_the_step_and_the_second_ends_the_process(
    number: signal.Signals, tmp_path: Path
) -> None:
    callback = started(tmp_path)
    signal.raise_signal(number)
    assert callback.signum == number
    assert {signal.getsignal(each) for each in STOP_SIGNALS} == {signal.SIG_DFL}


def test_a_long_step_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_checkpoint, "GRACE_SECONDS", 0.05)
    started(tmp_path)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StopSignal) as stopped:
        time.sleep(5)
    assert stopped.value.signum == signal.SIGTERM


def test_after_training_the_handlers_of_before_are_back(tmp_path: Path) -> None:
    numbers = (*STOP_SIGNALS, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    callback = started(tmp_path)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StopSignal):
        callback.on_train_end()
    assert [signal.getsignal(number) for number in numbers] == before


def test_after_an_error_the_alarm_of_the_program_is_back(tmp_path: Path) -> None:
    alarm = signal.getsignal(signal.SIGALRM)
    callback = started(tmp_path)
    signal.raise_signal(signal.SIGINT)
    callback.on_exception()
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL, "a second signal ends the process"


def test_a_timer_of_the_program_goes_off_during_training(tmp_path: Path) -> None:
    callback = started(tmp_path)
    signal.setitimer(signal.ITIMER_REAL, 100)
    callback.on_validation_end(SimpleNamespace(), None)  # type: ignore[arg-type]
    callback.on_train_end()
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0


def test_fewer_than_one_step_between_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"checkpoint\.every_steps=0 must be at least 1"):
        StepCheckpoints(tmp_path, every_steps=0)


@pytest.mark.parametrize("words", [(), ("loader.num_workers=1",)], ids=["no worker", "a worker"])
def test_a_run_that_failed_within_an_epoch_is_resumed_after_its_last_saved_step(
    words: tuple[str, ...],
    train: Train,
    base: list[str],
    finished: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: EpochProgress, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == 9:
            raise RuntimeError("the machine failed")

    steps: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_batch_end", fail)
        broken = train("checkpoint.every_steps=4", *words, code=1)
    with monkeypatch.context() as patch:
        patch.setattr(
            EpochProgress,
            "on_train_batch_end",
            lambda self, trainer, *_: steps.append(trainer.global_step),
        )
        assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    assert "resumed at epoch 1, step 8" in (broken.folder / "train.log").read_text()
    assert steps == [9, 10]
    for name in ("predictions.csv", "metrics.json", "history.csv"):
        assert (broken.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name
