"""Checkpoints in the midst of an epoch: every so many steps, and where a signal ends the run."""

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Checkpoint

from emotion.errors import ConfigError
from emotion.runs.checkpoints import LAST
from emotion.runs.lock import drop_requeued
from emotion.utils.signals import ENDING, Stopped, end_by_next, stop

GRACE_SECONDS = 1.5
"""How long a signal waits for a moment that the run can go on from."""

log = logging.getLogger(__name__)


class StepCheckpoints(Checkpoint):
    """Writes last.ckpt after a step; as the last callback, when all others have seen the step.

    SIGINT and SIGTERM end the run behind the step that they come in, so that none is lost. Where
    that takes too long, as in a long validation, the run ends where it stands and goes on from
    the checkpoint before. SLURM's signal is handed to Lightning behind the step too: between the
    halves of a step, what Lightning saves would be neither the one nor the other.

    After an epoch's last step nothing is written: validation follows, and then the epoch's own
    checkpoint; Lightning would go on from there without the validation.

    Args:
        folder: of the run.
        every_steps: steps between two checkpoints; None for one an epoch.
    """

    def __init__(self, folder: Path, *, every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ConfigError(
                f"checkpoint.every_steps={every_steps} must be at least 1; null: every epoch."
            )
        self.folder = folder
        self.every_steps = every_steps
        self.loader: dict[str, int] | None = None
        self.signum = 0
        self.requeue_asked = False
        self.requeue: Callable[[int, FrameType | None], Any] | None = None

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        (self.loader,) = checkpoint["loops"]["fit_loop"]["state_dict"].get(
            "combined_loader", [None]
        )

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Put the loader in its place, and take the signals over until Lightning's teardown.

        Lightning restores the loader only where no schedule asked for the number of steps: for
        that it makes the loader before it reads the state.
        """
        if self.loader is not None and trainer.train_dataloader is not None:
            trainer.train_dataloader.load_state_dict(self.loader)
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING:
            signal.signal(number, self._end)
        handler = signal.getsignal(signal.SIGUSR1)
        if SLURMEnvironment.detect() and callable(handler):
            self.requeue = handler
            signal.signal(signal.SIGUSR1, self._requeue)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.is_last_batch:
            return
        ends = self._anyone(trainer, bool(self.signum))
        requeues = self._anyone(trainer, self.requeue_asked)
        due = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        if ends or requeues or due:
            self._stop_clock()
            trainer.save_checkpoint(self.folder / "checkpoints" / LAST)
        self._leave(trainer, ends=ends, requeues=requeues)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop_clock()  # the epoch's checkpoint is next

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        ends = self._anyone(trainer, bool(self.signum))
        self._leave(trainer, ends=ends, requeues=self._anyone(trainer, self.requeue_asked))

    def on_train_end(self, *_: Any) -> None:
        self._stop_clock()
        for number in ENDING:
            signal.signal(number, stop)
        if self.signum:
            raise Stopped(self.signum)

    def on_exception(self, *_: Any) -> None:
        self._stop_clock()

    def _end(self, signum: int, _: FrameType | None) -> None:
        """Handle a signal: end behind this step, or where the run stands when time is up."""
        end_by_next()
        self.signum = signum
        signal.signal(signal.SIGALRM, self._time_is_up)
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _time_is_up(self, *_: Any) -> None:
        log.warning("stopped between two checkpoints: what came after the last one is done again")
        raise Stopped(self.signum)

    def _requeue(self, *_: Any) -> None:
        self.requeue_asked = True

    def _leave(self, trainer: L.Trainer, *, ends: bool, requeues: bool) -> None:
        """Do what a signal asked for, now that the run's state is saved."""
        if requeues and self.requeue is not None:
            self.requeue_asked = False
            self.requeue(signal.SIGUSR1, None)
            drop_requeued(self.folder)
        if ends:
            step = trainer.global_step
            log.info("stopped at step %d; resume=%s goes on from there", step, self.folder)
            raise Stopped(self.signum or signal.SIGTERM)

    @staticmethod
    def _stop_clock() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    @staticmethod
    def _anyone(trainer: L.Trainer, told: bool) -> bool:
        """Return whether any process was told: all act together, or the others would wait."""
        if trainer.world_size == 1:
            return told
        return trainer.strategy.reduce_boolean_decision(told, all=False)
