"""The trainer of a run."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging
from omegaconf import OmegaConf

from emotion.config.composition import compose
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import ConfigError
from emotion.training.callbacks.step_checkpoint import StepCheckpoints
from emotion.training.lightning_trainer import (
    build_trainer,
    child_processes_killed,
    quiet_lightning,
)
from tests.support.trained import Train


def make_trainer(folder: Path, *words: str, validated: bool = True, **trainer: Any) -> Any:
    """Return the trainer of a composition, for 40 training clips."""
    settings = compose("train", ["trainer.accelerator=cpu", *words]).settings
    settings = replace(settings, trainer=replace(settings.trainer, **trainer))
    rows = {TRAIN: torch.arange(40), VAL: torch.arange(10 if validated else 0)}
    data = SimpleNamespace(rows=rows, batch_size=16)
    return build_trainer(settings, folder, data)  # type: ignore[arg-type]


def callbacks_of(trainer: Any) -> list[type]:
    return [type(callback) for callback in trainer.callbacks]


def test_the_last_callback_saves_the_state_of_all_others(tmp_path: Path) -> None:
    callbacks = callbacks_of(make_trainer(tmp_path))
    assert callbacks[-1] is StepCheckpoints
    assert EarlyStopping in callbacks
    assert WeightAveraging not in callbacks
    assert WeightAveraging in callbacks_of(make_trainer(tmp_path, ema_decay=0.9))


def test_without_validation_clips_nothing_stops_early_and_the_last_epoch_is_kept(
    tmp_path: Path,
) -> None:
    trainer = make_trainer(tmp_path, validated=False, keep="last")
    assert EarlyStopping not in callbacks_of(trainer)
    assert trainer.limit_val_batches == 0
    with pytest.raises(ConfigError, match=r"Set trainer\.keep=last"):
        make_trainer(tmp_path, validated=False)


@pytest.mark.parametrize("left_by_hydra", [None, {"hydra": {"job": {"name": "${hydra.job.x}"}}}])
def test_several_devices_are_for_one_run_of_the_command(
    left_by_hydra: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = None if left_by_hydra is None else OmegaConf.create(left_by_hydra)
    monkeypatch.setattr(HydraConfig.instance(), "cfg", cfg)
    with pytest.raises(ConfigError, match="2 devices are possible for one run of `emotion train`"):
        make_trainer(tmp_path, strategy="ddp", devices=2)


def test_synchronised_batch_norm_needs_gpus(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.sync_batchnorm=true needs GPUs"):
        make_trainer(tmp_path, sync_batchnorm=True)


def test_child_processes_are_killed_with_this_one() -> None:
    killed: list[int] = []
    strategy = SimpleNamespace(launcher=SimpleNamespace(kill=killed.append))
    with (
        pytest.raises(KeyboardInterrupt),
        child_processes_killed(SimpleNamespace(strategy=strategy)),
    ):  # type: ignore[arg-type]
        raise KeyboardInterrupt
    assert killed == [9]


def test_routine_messages_are_silent_and_others_are_not() -> None:
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_lightning():
            assert logger.level == logging.ERROR
            warnings.warn("The loader does not have many workers", stacklevel=1)
            warnings.warn("a problem", stacklevel=1)
    assert [str(each.message) for each in caught] == ["a problem"]
    assert logger.level == before


@pytest.mark.parametrize(("keep", "epoch"), [("best", 0), ("last", 1)])
def test_the_kept_epoch_is_the_best_or_the_last(train: Train, keep: str, epoch: int) -> None:
    first_is_best = "{monitor: train/loss, mode: max, patience: 9}"
    trained = train(f"trainer.keep={keep}", f"trainer.early_stopping={first_is_best}")
    assert trained.metrics["best_epoch"] == epoch


@pytest.mark.parametrize("word", ["trainer.keep=first", "trainer.channels_last=inner"])
def test_an_unknown_choice_is_refused(
    train: Train, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train(word, code=1)
    assert f"{word} is not valid: choose" in capsys.readouterr().err
