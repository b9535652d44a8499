"""Saves checkpoints within an epoch: after a number of steps, and when a signal ends the run."""

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
from emotion.runs.lock import delete_slurm_checkpoints
from emotion.utils.signals import (
    STOP_SIGNALS,
    StopSignal,
    raise_stop_signal,
    restore_default_handlers,
)

GRACE_SECONDS = 1.5  # time from a signal to a checkpoint; after it the run ends without a new one

log = logging.getLogger(__name__)


class StepCheckpoints(Checkpoint):
    """Writes last.ckpt after a step; the last callback, so that all others have done the step.

    SIGINT and SIGTERM end the run after the current step, so that no step is lost. Where a step
    takes longer than `GRACE_SECONDS`, as in a long validation, the run ends at once and is resumed
    from the checkpoint before. SLURM's requeue signal is passed to Lightning after the step too:
    within a step, Lightning would save an inconsistent state.

    No checkpoint is written after the last step of an epoch: validation follows, and then the
    checkpoint of the epoch. From one before validation, Lightning would resume without it.

    Args:
        folder: of the run.
        every_steps: steps between two checkpoints; None for one per epoch.
    """

    def __init__(self, folder: Path, *, every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ConfigError(
                f"checkpoint.every_steps={every_steps} must be at least 1, or null for one "
                "checkpoint per epoch."
            )
        self.folder = folder
        self.every_steps = every_steps
        self.loader_state: dict[str, int] | None = None
        self.signum = 0
        self.requeue_requested = False
        self.requeue: Callable[[int, FrameType | None], Any] | None = None
        self.handlers: dict[int, Any] = {}

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint["loops"]["fit_loop"]["state_dict"]
        (self.loader_state,) = state.get("combined_loader", [None])

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Restore the position of the loader, and handle signals until training ends.

        Lightning restores the loader only where no schedule needs the number of steps: else it
        makes the loader before it reads the state.
        """
        if self.loader_state is not None and trainer.train_dataloader is not None:
            trainer.train_dataloader.load_state_dict(self.loader_state)
        if threading.current_thread() is not threading.main_thread():
            return  # Python allows signal handlers in the main thread only
        program = signal.getsignal(signal.SIGINT)
        self.handlers[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
        for number in STOP_SIGNALS:
            # Lightning has replaced the handler of SIGTERM, and restores it later.
            after = program if program is raise_stop_signal else signal.getsignal(number)
            self.handlers[number] = after
            signal.signal(number, self._request_stop)
        handler = signal.getsignal(signal.SIGUSR1)
        if SLURMEnvironment.detect() and callable(handler):
            self.requeue = handler
            signal.signal(signal.SIGUSR1, self._request_requeue)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.is_last_batch:
            return
        stops = self._on_any_rank(trainer, bool(self.signum))
        requeues = self._on_any_rank(trainer, self.requeue_requested)
        due = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        if stops or requeues or due:
            self._cancel_timer()
            trainer.save_checkpoint(self.folder / "checkpoints" / LAST)
        self._act_on_signals(trainer, stops=stops, requeues=requeues)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._cancel_timer()  # the checkpoint of the epoch is next

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        stops = self._on_any_rank(trainer, bool(self.signum))
        requeues = self._on_any_rank(trainer, self.requeue_requested)
        self._act_on_signals(trainer, stops=stops, requeues=requeues)

    def on_train_end(self, *_: Any) -> None:
        self._restore_handlers()
        if self.signum:
            raise StopSignal(self.signum)

    def on_exception(self, *_: Any) -> None:
        if self.signum:  # a second signal still ends the process at once
            for number in STOP_SIGNALS:
                self.handlers.pop(number, None)
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        self._cancel_timer()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}

    def _request_stop(self, signum: int, _: FrameType | None) -> None:
        """Handle a stop signal: end after this step, or at once when the time is over."""
        restore_default_handlers()
        self.signum = signum
        signal.signal(signal.SIGALRM, self._stop_now)
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _stop_now(self, *_: Any) -> None:
        log.warning("stopped between two checkpoints: the steps after the last one are repeated")
        raise StopSignal(self.signum)

    def _request_requeue(self, *_: Any) -> None:
        self.requeue_requested = True

    def _act_on_signals(self, trainer: L.Trainer, *, stops: bool, requeues: bool) -> None:
        """Requeue or stop the run, now that its state is saved."""
        if requeues and self.requeue is not None:
            self.requeue_requested = False
            self.requeue(signal.SIGUSR1, None)
            delete_slurm_checkpoints(self.folder)
        if stops:
            log.info("stopped at step %d; resume=%s continues", trainer.global_step, self.folder)
            raise StopSignal(self.signum or signal.SIGTERM)

    def _cancel_timer(self) -> None:
        if self.signum:  # else a running timer is another program's
            signal.setitimer(signal.ITIMER_REAL, 0)

    @staticmethod
    def _on_any_rank(trainer: L.Trainer, requested: bool) -> bool:
        """Return whether any rank has the request: all act together, or the others would wait."""
        if trainer.world_size == 1:
            return requested
        return trainer.strategy.reduce_boolean_decision(requested, all=False)
