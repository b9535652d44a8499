"""Trains, tests and reports one run, or resumes it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotion.config.composition import override_resumed, to_yaml
from emotion.config.schema import TrainSettings
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import Split
from emotion.data.splits.protocols import FileSplit
from emotion.errors import ConfigError, RunError
from emotion.runs.checkpoints import (
    delete_damaged_last,
    epochs_done,
    newest_checkpoint,
    read_checkpoint,
)
from emotion.runs.report import report_data, write_report
from emotion.runs.run import FINISHED, Run
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.utilisation import Utilisation
from emotion.training.lightning_trainer import child_processes_killed, quiet_lightning
from emotion.training.session import (
    Session,
    Timing,
    initialise_weights,
    open_session,
    with_labels,
    write_run_files,
)
from emotion.training.test import test_run
from emotion.training.threads import threads_as_started
from emotion.utils.distributed import is_rank_zero
from emotion.utils.files import write_json, write_text

log = logging.getLogger(__name__)


def train(settings: TrainSettings, folder: Path, *, choices: Mapping[str, str]) -> Run:
    """Train, test and report a new run; return it.

    Raises:
        LeakError: the split leaks, and is not allowed to.
        RunError: the folder holds a run already.
        EmotionError: any other error that the user can correct.
    """
    run = Run(folder)
    if is_rank_zero() and (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a run already. Resume it by resume={folder}.")
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(settings)
        data.setup()
    if len(data.labels) < 2:
        raise ConfigError(
            f"there is one class, {data.labels[0]}, and a classifier needs two or more. Add them "
            "to dataset.labels, with a folder or rows of the table for each."
        )
    session = open_session(with_labels(settings, data.labels), run, data, timing)
    initialise_weights(session)
    if is_rank_zero():
        write_run_files(session, choices)
    return _fit_and_test(session)


def resume(run: Run, overrides: Sequence[str]) -> Run:
    """Resume a run from its newest checkpoint; return it once it has its report.

    A finished run is left unchanged; overrides that would change data, labels or model are refused.
    """
    if run.finished:
        log.info("%s is finished", run.folder)
        return run
    settings = override_resumed(run.settings, overrides)
    if is_rank_zero() and settings != run.settings:
        write_text(run.folder / "config.yaml", to_yaml(settings))
    with threads_as_started(run):
        return _resume(run, settings)


def _resume(run: Run, settings: TrainSettings) -> Run:
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(settings)
        data.prepare_data()
        data.use_split(_saved_split(run, data))
    session = open_session(settings, run, data, timing)
    checkpoint = newest_checkpoint(run.folder / "checkpoints")
    if checkpoint is None:
        initialise_weights(session)
        log.info("resumed at epoch 0, step 0")
        return _fit_and_test(session)
    delete_damaged_last(checkpoint)
    state = read_checkpoint(checkpoint)
    log.info("resumed at epoch %d, step %d", epochs_done(state), state["global_step"])
    return _fit_and_test(session, checkpoint=checkpoint, fitted=_is_fitted(state, settings))


def _fit_and_test(session: Session, *, checkpoint: Path | None = None, fitted: bool = False) -> Run:
    """Fit the model unless it is fitted, from a checkpoint if there is one; test and report it."""
    settings, folder, timing = session.settings, session.run.folder, session.timing
    trainer = session.trainer
    with quiet_lightning():
        with timing.part("fit"), child_processes_killed(trainer):
            if not fitted:
                trainer.fit(
                    session.model, datamodule=session.data, ckpt_path=checkpoint, weights_only=True
                )
        if settings.trainer.fast_dev_run:
            log.info("one batch was trained; trainer=debug writes no metrics")
            return Run(folder)
        for callback in getattr(trainer, "callbacks"):  # noqa: B009 - Lightning sets it, undeclared
            if isinstance(callback, EpochProgress | Utilisation):
                timing.add(callback.rates())
        with timing.part("test"):
            test_run(session)
    if is_rank_zero():
        with timing.part("report"):
            write_report(report_data(Run(folder)), folder)
        write_json(folder / "metrics.json", {"status": FINISHED, **Run(folder).metrics})
    return Run(folder)


def _saved_split(run: Run, data: EmotionDataModule) -> Split:
    """Return the split that a run started with."""
    if run.environment["fingerprints"]["index"] != data.index.fingerprint:
        raise RunError(
            f"the clips under {data.index.root} have changed since {run.folder} started. "
            "Restore them, or start a new run."
        )
    file = str(run.folder / "split.csv")
    split = FileSplit(path=file, val_fraction=0).assign(data.index.table)
    return Split(split.subset)


def _is_fitted(state: dict[str, Any], settings: TrainSettings) -> bool:
    """Return whether training had ended when a checkpoint was written."""
    if epochs_done(state) >= settings.trainer.max_epochs:
        return True
    stopping = [
        value for key, value in state["callbacks"].items() if key.startswith("EarlyStopping")
    ]
    patience = settings.trainer.early_stopping.patience
    return any(callback["wait_count"] >= patience for callback in stopping)
