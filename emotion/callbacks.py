"""What happens beside the training steps: seeds, lines for a person, pictures for TensorBoard."""

import logging
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from torch import Tensor

from emotion.batch import Batch
from emotion.errors import ConfigError
from emotion.progress import watched
from emotion.tables import read_table, write_table

log = logging.getLogger(__name__)


class StepSeeds(Callback):
    """Seeds every step from the run's seed and the step's number.

    Whatever a step draws, from torch, numpy or Python, then depends on nothing that came before:
    a resumed run draws the same.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        step = trainer.global_step * trainer.world_size + trainer.global_rank
        on_cpu = trainer.strategy.root_device.type == "cpu"
        # torch.manual_seed also leaves word for a CUDA that never starts: 1.5 ms a step.
        seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        value = self.seed * 1_000_000_007 + step
        seed(value)
        random.seed(value)
        np.random.seed(value % 2**32)  # noqa: NPY002 - a user's own augmentation may draw from it


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return what averages weights step by step, for Lightning's WeightAveraging.

    After n steps the decay is (1 + n) / (10 + n) at most: at 0.99, a run of 300 steps would
    otherwise end with a twentieth of its first weights. What never changes, such as a mel filter,
    keeps its very bits, which Lightning's own formula for the same average would not leave it.

    Raises:
        ConfigError: a decay outside 0…1.
    """
    if not 0 <= decay < 1:
        raise ConfigError(f"trainer.ema_decay={decay} must be at least 0, under 1.")

    def average(averaged: Tensor, current: Tensor, steps: Tensor) -> Tensor:
        if not averaged.is_floating_point():
            return current
        share = (9 / (10 + steps)).clamp(min=1 - decay)
        return torch.lerp(averaged, current, share.to(averaged.dtype))

    return average


class EpochLines(Callback):
    """Says how each epoch went: a bar over its batches where someone watches, then one line."""

    def __init__(self, clips: int) -> None:
        self.clips = clips
        self.seconds: list[float] = []
        self.started: float | None = None
        self.bar: Progress | None = None

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started = time.perf_counter()
        if watched():
            self.bar = Progress(
                TextColumn(f"epoch {trainer.current_epoch + 1}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                transient=True,
            )
            self.bar.add_task("", total=trainer.num_training_batches)
            self.bar.start()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.advance(self.bar.task_ids[0])

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if (seconds := self._seconds()) is not None:
            rates = {"epoch/train_seconds": seconds, "epoch/clips_per_second": self.clips / seconds}
            self._tell(trainer, rates)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop_bar()
        seconds = self._seconds()
        if seconds is not None:
            self.seconds.append(seconds)
            self._tell(trainer, {"epoch/seconds": seconds})
        figures = trainer.callback_metrics
        shown = [
            f"{name} {float(figures[name]):.3f}"
            for name in ("train/loss", "train/uar", "val/loss", "val/uar", "val/wa")
            if name in figures
        ]
        log.info(
            "epoch %d/%s  %s  %s",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            "  ".join(shown),
            "its rest" if seconds is None else f"{seconds:.1f} s",
        )

    def on_exception(self, *_: Any) -> None:
        self._stop_bar()

    def rates(self) -> dict[str, float]:
        """Return the median epoch's seconds and training clips a second, once there is one."""
        if not self.seconds:
            return {}
        seconds = statistics.median(self.seconds)
        return {"epoch_seconds": seconds, "clips_per_second": self.clips / seconds}

    def _seconds(self) -> float | None:
        """Return how long the epoch takes so far; None where the run came into it half-way."""
        return None if self.started is None else time.perf_counter() - self.started

    @staticmethod
    def _tell(trainer: L.Trainer, figures: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=trainer.global_step - 1)  # as Lightning counts

    def _stop_bar(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class History(Callback):
    """Writes history.csv, a row an epoch; a resumed run goes on behind the epochs that it keeps.

    `lr` is the rate of the epoch's first step.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rate = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        row = {
            "epoch": float(trainer.current_epoch),
            "lr": self.rate,
        }
        row |= {
            name: float(trainer.callback_metrics[f"{stage}/{figure}"])
            for stage in ("train", "val")
            for figure in ("loss", "uar", "wa")
            if (name := f"{stage}_{figure}") and f"{stage}/{figure}" in trainer.callback_metrics
        }
        rows = pd.DataFrame([row])
        if self.file.exists():
            before = read_table(self.file, dict.fromkeys(row, "float64"))
            rows = pd.concat([before[before["epoch"] < row["epoch"]], rows])
        write_table(self.file, rows.astype({"epoch": int}))

    def state_dict(self) -> dict[str, float]:
        """Keep the rate for an epoch that is gone on with."""
        return {"rate": self.rate}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.rate = state["rate"]


class Curves(Callback):
    """Keeps the loggers' curves those of a run that was never stopped.

    What they hold is on the disk before a checkpoint counts on it; what they were told after the
    checkpoint that a run goes on from, they are told again.
    """

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                start = SessionLog(status=SessionLog.START)
                event = Event(step=trainer.global_step, session_log=start)
                logger.experiment.file_writer.add_event(event, step=trainer.global_step)

    def on_save_checkpoint(self, trainer: L.Trainer, *_: Any) -> None:
        for logger in trainer.loggers:
            logger.save()


class SampleImages(Callback):
    """Shows TensorBoard the first batch as the network sees it, augmented."""

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Batch, index: int
    ) -> None:
        if trainer.global_step:
            return
        with torch.no_grad():
            image = module.image(batch.x[:16])[:, :1].float().cpu()
            image = image.flip(-2)  # low bands at the bottom
        low, high = image.amin((-2, -1), keepdim=True), image.amax((-2, -1), keepdim=True)
        images = (image - low) / (high - low).clamp(min=1e-6)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_images("augmented", images, 0)
