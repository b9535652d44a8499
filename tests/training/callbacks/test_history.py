"""history.csv."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import torch

from emotion.training.callbacks.history import History


def epoch(number: int, loss: float, *, rate: float = 0.1) -> Any:
    """Return a trainer at the end of an epoch."""
    optimizer = SimpleNamespace(param_groups=[{"lr": rate}])
    metrics = {"train/loss": torch.tensor(loss), "val/uar": torch.tensor(0.5)}
    return SimpleNamespace(current_epoch=number, optimizers=[optimizer], callback_metrics=metrics)


def write(history: History, trainer: Any) -> None:
    history.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    history.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]


def test_an_epoch_is_a_row(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv")
    for number in range(2):
        write(history, epoch(number, 2.0 - number))
    table = pd.read_csv(tmp_path / "history.csv")
    assert list(table.columns) == ["epoch", "lr", "train_loss", "val_uar"]
    assert list(table["epoch"]) == [0, 1]
    assert list(table["train_loss"]) == [2, 1]


def test_a_resumed_run_replaces_the_epochs_that_it_repeats(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    for number in range(3):
        write(History(file), epoch(number, 2.0))
    write(History(file), epoch(1, 7.0))
    table = pd.read_csv(file)
    assert list(table["epoch"]) == [0, 1]
    assert list(table["train_loss"]) == [2, 7]


def test_the_rate_of_an_epoch_that_is_resumed_is_that_of_its_first_step(tmp_path: Path) -> None:
    before, after = History(tmp_path / "history.csv"), History(tmp_path / "history.csv")
    before.on_train_epoch_start(epoch(0, 1.0, rate=0.5), None)  # type: ignore[arg-type]
    after.load_state_dict(before.state_dict())
    after.on_train_epoch_end(epoch(0, 1.0), None)  # type: ignore[arg-type]
    assert list(pd.read_csv(tmp_path / "history.csv")["lr"]) == [0.5]
