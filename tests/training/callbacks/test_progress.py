"""Log lines and rates of epochs."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from emotion.training.callbacks.progress import EpochProgress


class Logger:
    """Collects logged metrics."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics |= metrics


@pytest.fixture
def trainer() -> Any:
    metrics = {"train/loss": torch.tensor(1.5), "val/uar": torch.tensor(0.25)}
    return SimpleNamespace(
        current_epoch=1, max_epochs=3, global_step=10, callback_metrics=metrics, loggers=[Logger()]
    )


def test_an_epoch_has_one_line_with_its_metrics(
    trainer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    progress = EpochProgress(clips=100)
    progress.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    progress.on_validation_start(trainer, None)  # type: ignore[arg-type]
    progress.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    (line,) = caplog.messages
    assert line.startswith("epoch 2/3  train/loss 1.500  val/uar 0.250  ")
    assert set(trainer.loggers[0].metrics) == {
        "epoch/train_seconds",
        "epoch/clips_per_second",
        "epoch/seconds",
    }
    rates = progress.rates()
    assert rates["clips_per_second"] == pytest.approx(100 / rates["epoch_seconds"])


def test_a_partial_epoch_after_a_resume_has_no_rate(
    trainer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    progress = EpochProgress(clips=100)
    progress.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    assert "rest of the epoch" in caplog.text
    assert progress.rates() == {}


def test_a_terminal_has_a_bar_that_ends_with_the_epoch(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.training.callbacks.progress.is_interactive", lambda: True)
    trainer.num_training_batches = 2
    progress = EpochProgress(clips=100)
    progress.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    bar = progress.bar
    assert bar is not None
    progress.on_train_batch_end()
    assert bar.tasks[0].completed == 1
    progress.on_exception()
    assert progress.bar is None
    assert bar.finished is False
