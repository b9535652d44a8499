"""Trains, tests and reports one run, or resumes it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion.config.composition import Config
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import Split
from emotion.data.splits.protocols import FileSplit
from emotion.errors import ConfigError, RunError
from emotion.runs.checkpoints import (
    drop_after,
    epochs_done,
    newest_checkpoint,
    read_checkpoint,
)
from emotion.runs.report import write_report
from emotion.runs.run import Run
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.utilisation import Utilisation
from emotion.training.lightning_trainer import others_ended, quiet_lightning
from emotion.training.session import Session, Timing, _open_session, _set_out, _write_beginning
from emotion.training.test import _test
from emotion.training.threads import threads_as_started
from emotion.utils.distributed import is_first
from emotion.utils.files import write_text

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> Run:
    """Fit, test and report a new run in `folder`; return it.

    Raises:
        LeakError: the split leaks, and is not allowed to.
        RunError: the folder holds a run already.
        EmotionError: anything else that is the user's to mend, in words.
    """
    run = Run(folder)
    if is_first() and (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a run already. Go on with it by resume={folder}.")
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.setup()
    if len(data.labels) < 2:
        raise ConfigError(
            f"there is one class, {data.labels[0]}: nothing to tell apart. Give dataset.labels two "
            "or more, and a folder or a row of the table for each."
        )
    config = config.replaced({"dataset.labels": list(data.labels)})
    session = _open_session(config, run, data, timing)
    _set_out(session)
    if is_first():
        _write_beginning(session)
    return _run_parts(session, checkpoint=None)


def resume(run: Run, overrides: Sequence[str]) -> Run:
    """Go on with a run, from its newest checkpoint to its report; return it.

    Args:
        run: what to go on with; a finished one is left as it is.
        overrides: of the command line; those that would change data, labels or model are refused.
    """
    if run.finished:
        log.info("%s is finished", run.folder)
        return run
    config = run.config.overridden(overrides)
    if is_first() and config != run.config:
        write_text(run.folder / "config.yaml", config.yaml())
    with threads_as_started(run):
        return _go_on(run, config)


def _go_on(run: Run, config: Config) -> Run:
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.prepare_data()
        data.divide(_saved_split(run, data))
    session = _open_session(config, run, data, timing)
    checkpoint = newest_checkpoint(run.folder / "checkpoints")
    if checkpoint is None:
        _set_out(session)
        log.info("resumed at epoch 0, step 0")
    else:
        drop_after(checkpoint)
        state = read_checkpoint(checkpoint)
        log.info("resumed at epoch %d, step %d", epochs_done(state), state["global_step"])
    return _run_parts(session, checkpoint=checkpoint)


def _run_parts(session: Session, *, checkpoint: Path | None) -> Run:
    """Do what a run still lacks: fit, test, report."""
    config, run, timing, trainer = session.config, session.run, session.timing, session.trainer
    with quiet_lightning():
        with timing.part("fit"):
            if checkpoint is None or not _ended(read_checkpoint(checkpoint), config):
                with others_ended(trainer):
                    trainer.fit(
                        session.model,
                        datamodule=session.data,
                        ckpt_path=checkpoint,
                        weights_only=True,
                    )
        if config["trainer.fast_dev_run"]:
            log.info("one batch went through; trainer=debug leaves no figures")
            return run
        for callback in getattr(trainer, "callbacks"):  # noqa: B009 - Lightning sets it, undeclared
            if isinstance(callback, EpochProgress | Utilisation):
                timing.add(callback.rates())
        with timing.part("test"):
            _test(session)
    if is_first():
        with timing.part("report"):
            write_report(run)
    return run


def _saved_split(run: Run, data: EmotionDataModule) -> Split:
    """Return the division that a run began with.

    Raises:
        RunError: the clips are no longer those that it began with.
    """
    began = run.environment.get("fingerprints", {}).get("index")
    if began != data.index.fingerprint:
        raise RunError(
            f"the clips under {data.index.root} are not those that {run.folder} began with. "
            "Bring them back, or start a new run."
        )
    file = str(run.folder / "split.csv")
    split = FileSplit(path=file, val_fraction=0).assign(data.index.table)
    return Split(split.subset)


def _ended(state: dict[str, Any], config: Config) -> bool:
    """Return whether training had come to its end when a checkpoint was written."""
    if epochs_done(state) >= config["trainer.max_epochs"]:
        return True
    stopping = [
        value for key, value in state["callbacks"].items() if key.startswith("EarlyStopping")
    ]
    patience = config["trainer.early_stopping.patience"]
    return any(callback["wait_count"] >= patience for callback in stopping)
