"""Builds Lightning trainers."""

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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

from emotion.config.composition import Config
from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import ConfigError
from emotion.runs.checkpoints import BEST, LAST, SafeCheckpointIO
from emotion.runs.run import Run
from emotion.training.callbacks.history import History
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.seeding import StepSeeds
from emotion.training.callbacks.step_checkpoint import StepCheckpoints
from emotion.training.callbacks.tensorboard import SampleImages, TensorBoardCurves
from emotion.training.callbacks.utilisation import Utilisation
from emotion.training.ema import moving_average


def build_trainer(config: Config, run: Run, data: EmotionDataModule) -> L.Trainer:
    """Return the trainer that fits a run, with its callbacks, loggers and checkpoints."""
    settings = config["trainer"]
    stopping = settings["early_stopping"]
    keep = config.get("trainer.keep") or "best"
    if keep not in ("best", "last"):
        raise ConfigError(f"trainer.keep={keep!r}: choose best or last.")
    validated = len(data.rows[VAL]) > 0
    if keep == "best" and not validated:
        raise ConfigError(
            "no clip validates, so no epoch is the best: trainer.keep=last keeps the last one."
        )
    chosen = {"monitor": stopping["monitor"], "mode": stopping["mode"]}
    stop = EarlyStopping(**chosen, patience=stopping["patience"])
    checkpoints = run.folder / "checkpoints"
    callbacks: list[Callback] = [
        StepSeeds(config["seed"]),
        *([stop] if validated else []),
        EpochProgress(len(data.rows[TRAIN])),
        Utilisation(),
        History(run.folder / "history.csv"),
        ModelCheckpoint(
            checkpoints,
            filename=BEST.removesuffix(".ckpt"),
            **(chosen if keep == "best" else {"mode": "max"}),  # unmonitored, it takes every epoch
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        ModelCheckpoint(
            checkpoints,
            filename=LAST.removesuffix(".ckpt"),
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if settings["ema_decay"] is not None:
        callbacks.append(WeightAveraging(avg_fn=moving_average(settings["ema_decay"])))
    loggers = config.build_all("logger", folder=run.folder)
    if loggers:
        callbacks += [LearningRateMonitor("step"), SampleImages(), TensorBoardCurves()]
    if not settings["fast_dev_run"]:
        every_steps = config.get("checkpoint.every_steps")
        callbacks.append(StepCheckpoints(run.folder, every_steps=every_steps))
    with quiet_lightning():
        trainer = L.Trainer(
            accelerator=settings["accelerator"],
            devices=settings["devices"],
            num_nodes=settings["num_nodes"],
            strategy=settings["strategy"],
            precision=settings["precision"],
            sync_batchnorm=bool(settings.get("sync_batchnorm")),
            max_epochs=settings["max_epochs"],
            gradient_clip_val=settings["gradient_clip"],
            overfit_batches=settings["overfit_batches"],
            limit_val_batches=1.0 if validated else 0,
            fast_dev_run=settings["fast_dev_run"],
            detect_anomaly=settings["detect_anomaly"],
            callbacks=callbacks,
            logger=loggers,
            plugins=[SafeCheckpointIO()],
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, min(10, len(data.rows[TRAIN]) // data.batch_size)),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=run.folder,
            use_distributed_sampler=False,  # the datamodule gives each process its share
        )
    if settings.get("sync_batchnorm") and trainer.strategy.root_device.type == "cpu":
        raise ConfigError("trainer.sync_batchnorm=true is for GPUs: PyTorch has none on a CPU.")
    _check_processes(trainer)
    return trainer


def build_predicting_trainer(config: Config) -> L.Trainer:
    """Return a trainer that only predicts, and leaves nothing behind."""
    with quiet_lightning():
        return L.Trainer(
            accelerator=config["trainer.accelerator"],
            devices=1,
            precision=config["trainer.precision"],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )


def _check_processes(trainer: L.Trainer) -> None:
    """Refuse several devices where Lightning would have to start their processes, and cannot.

    It starts them by the command line of this process, which must be that of one run.

    Raises:
        ConfigError: this is a sweep or a study.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or environment.creates_processes_externally:
        return
    if trainer.num_devices * trainer.num_nodes == 1:
        return
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is None or hydra.job.name != "train" or hydra.mode == RunMode.MULTIRUN:
        raise ConfigError(
            f"{trainer.num_devices} devices are for one run, not for a sweep or a study: their "
            "jobs take one each (trainer.devices=1) and run side by side: docs/many_machines.md."
        )


@contextmanager
def others_ended(trainer: L.Trainer) -> Iterator[None]:
    """End the processes that Lightning started beside this one when this one is stopped."""
    try:
        yield
    except BaseException:
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)  # they wait for this one, deaf to others
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says of every run; what goes wrong it still says."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # batches are gathered: workers only cost
            ".*Checkpoint directory .* exists and is not empty.*",  # it does when resumed
            ".*`overfit_batches` is on.*",
            ".*module\\(s\\) in eval mode at the start of training.*",  # trainer.frozen
            ".*LeafSpec.*is deprecated.*",  # inside Lightning
        ):
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
