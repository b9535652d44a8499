"""Progress bar and one log line per epoch."""

import logging
import statistics
import time
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from emotion.utils.progress import is_interactive

log = logging.getLogger(__name__)


class EpochProgress(Callback):
    """Shows a progress bar over the batches in a terminal, and logs one line per epoch."""

    def __init__(self, clips: int) -> None:
        self.clips = clips  # training clips of an epoch
        self.seconds: list[float] = []
        self.started: float | None = None
        self.bar: Progress | None = None

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started = time.perf_counter()
        if is_interactive():
            title = TextColumn(f"epoch {trainer.current_epoch + 1}")
            columns = (title, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, transient=True)
            self.bar.add_task("", total=trainer.num_training_batches)
            self.bar.start()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.advance(self.bar.task_ids[0])

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if (seconds := self._elapsed()) is not None:
            rates = {"epoch/train_seconds": seconds, "epoch/clips_per_second": self.clips / seconds}
            self._log_metrics(trainer, rates)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop_bar()
        seconds = self._elapsed()
        if seconds is not None:
            self.seconds.append(seconds)
            self._log_metrics(trainer, {"epoch/seconds": seconds})
        metrics = trainer.callback_metrics
        shown = [
            f"{name} {float(metrics[name]):.3f}"
            for name in ("train/loss", "train/uar", "val/loss", "val/uar", "val/wa")
            if name in metrics
        ]
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        spent = "rest of the epoch" if seconds is None else f"{seconds:.1f} s"
        log.info("epoch %s  %s  %s", epoch, "  ".join(shown), spent)

    def on_exception(self, *_: Any) -> None:
        self._stop_bar()

    def rates(self) -> dict[str, float]:
        """Return the median seconds of an epoch and training clips per second; empty at first."""
        if not self.seconds:
            return {}
        seconds = statistics.median(self.seconds)
        return {"epoch_seconds": seconds, "clips_per_second": self.clips / seconds}

    def _elapsed(self) -> float | None:
        """Return the seconds of the epoch so far; None where the run was resumed within it."""
        return None if self.started is None else time.perf_counter() - self.started

    @staticmethod
    def _log_metrics(trainer: L.Trainer, metrics: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)  # as Lightning counts

    def _stop_bar(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
