"""Builds Lightning trainers."""

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    WeightAveraging,
)
from omegaconf import OmegaConf

from emotion.config.build import build
from emotion.config.schema import TrainSettings
from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import ConfigError
from emotion.runs.checkpoints import BEST, LAST, SafeCheckpointIO
from emotion.training.callbacks.history import History
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.seeding import StepSeeds
from emotion.training.callbacks.step_checkpoint import StepCheckpoints
from emotion.training.callbacks.tensorboard import SampleImages, TensorBoardCurves
from emotion.training.callbacks.utilisation import Utilisation
from emotion.training.ema import moving_average
from emotion.utils.distributed import host_count, local_device_count
from emotion.utils.loggers import errors_only


def build_trainer(settings: TrainSettings, folder: Path, data: EmotionDataModule) -> L.Trainer:
    """Return the trainer that fits a run, with its callbacks, loggers and checkpoints.

    Raises:
        ConfigError: settings that do not fit the data or this machine.
    """
    own = settings.trainer
    validated = len(data.rows[VAL]) > 0
    if own.keep == "best" and not validated:
        raise ConfigError(
            "trainer.keep=best needs validation clips, and this split has none. "
            "Set trainer.keep=last."
        )
    nodes = settings.logger or {}
    loggers = [build(node, f"logger.{name}", folder=folder) for name, node in nodes.items()]
    callbacks = _training_callbacks(settings, folder, data)
    if loggers:
        callbacks += [LearningRateMonitor("step"), SampleImages(), TensorBoardCurves()]
    if not own.fast_dev_run:  # the last callback: it saves what all others have done
        callbacks.append(StepCheckpoints(folder, every_steps=settings.checkpoint.every_steps))
    with quiet_lightning():
        trainer = L.Trainer(
            accelerator=own.accelerator,
            devices=local_device_count() if own.devices == "auto" else own.devices,
            num_nodes=host_count() if own.num_nodes == "auto" else own.num_nodes,
            strategy=own.strategy,
            precision=own.precision,  # type: ignore[arg-type] # Lightning checks the name
            sync_batchnorm=own.sync_batchnorm,
            max_epochs=own.max_epochs,
            gradient_clip_val=own.gradient_clip,
            overfit_batches=own.overfit_batches,
            limit_val_batches=1.0 if validated else 0,
            fast_dev_run=own.fast_dev_run,
            detect_anomaly=own.detect_anomaly,
            callbacks=callbacks,
            logger=loggers,
            plugins=[SafeCheckpointIO()],
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, min(10, len(data.rows[TRAIN]) // data.batch_size)),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            use_distributed_sampler=False,  # the datamodule splits each batch across ranks
        )
    if own.sync_batchnorm and trainer.strategy.root_device.type == "cpu":
        raise ConfigError("trainer.sync_batchnorm=true needs GPUs: PyTorch has it for them only.")
    _check_processes(trainer)
    return trainer


def _training_callbacks(
    settings: TrainSettings, folder: Path, data: EmotionDataModule
) -> list[Callback]:
    """Return the callbacks of every run: seeds, progress, early stopping, checkpoints, history."""
    own = settings.trainer
    stopping = own.early_stopping
    monitor: dict[str, Any] = {"monitor": stopping.monitor, "mode": stopping.mode}
    callbacks: list[Callback] = [StepSeeds(settings.seed)]
    if len(data.rows[VAL]):
        callbacks.append(EarlyStopping(**monitor, patience=stopping.patience))
    # Unmonitored, the checkpoint of the best epoch is written after every epoch.
    # With "max", its saved state has another key than that of last.ckpt.
    best: dict[str, Any] = monitor if own.keep == "best" else {"mode": "max"}
    shared: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    callbacks += [
        EpochProgress(len(data.rows[TRAIN])),
        Utilisation(),
        History(folder / "history.csv"),
    ]
    for file, selection in ((BEST, best), (LAST, {})):
        name = file.removesuffix(".ckpt")
        callbacks.append(ModelCheckpoint(folder / "checkpoints", name, **selection, **shared))
    if own.ema_decay is not None:
        callbacks.append(WeightAveraging(avg_fn=moving_average(own.ema_decay)))
    return callbacks


def build_predicting_trainer(*, accelerator: str, precision: str) -> L.Trainer:
    """Return a trainer that only predicts, and writes no files."""
    with quiet_lightning():
        return L.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=precision,  # type: ignore[arg-type] # Lightning checks the name
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )


def _check_processes(trainer: L.Trainer) -> None:
    """Check that Lightning can start the processes of several devices.

    It starts them by the command line of this process, which must be that of one run, and neither
    a job of a sweep or a study nor a run from Python.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or environment.creates_processes_externally:
        return
    if trainer.num_devices * trainer.num_nodes == 1:
        return
    hydra: Any = (
        HydraConfig.instance().cfg
    )  # left incomplete in this process by `--cfg` and `--help`
    command = OmegaConf.select(hydra, "hydra.job.config_name") if hydra is not None else None
    if command != "train" or hydra.hydra.mode == RunMode.MULTIRUN:
        raise ConfigError(
            f"{trainer.num_devices} devices are possible for one run of `emotion train` only. In a "
            "sweep, a study or Python, a run takes one (trainer.devices=1), and runs can be "
            "parallel: see several_gpus in the documentation."
        )


@contextmanager
def child_processes_killed(trainer: L.Trainer) -> Iterator[None]:
    """Kill the processes that Lightning started for other devices when this one is stopped."""
    try:
        yield
    except BaseException:
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)  # they wait for this one, and block
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's routine messages; its errors are still logged."""
    with errors_only("lightning.pytorch", "lightning.fabric"), warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # batches are gathered: workers only cost
            ".*Checkpoint directory .* exists and is not empty.*",  # it does when resumed
            ".*`overfit_batches` is on.*",
            ".*module\\(s\\) in eval mode at the start of training.*",  # trainer.frozen
            ".*LeafSpec.*is deprecated.*",  # inside Lightning
        ):
            warnings.filterwarnings("ignore", message=message)
        yield
