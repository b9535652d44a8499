"""Trains, tests and reports one run, or resumes it."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion.config.composition import override_resumed
from emotion.config.saved_settings import save_settings
from emotion.config.schema import TrainSettings
from emotion.data.corpora.label_counts import check_labels
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import TRAIN, Split
from emotion.data.splits.protocols import FileSplit
from emotion.errors import ConfigError, RunError
from emotion.runs.checkpoints import (
    delete_damaged_last,
    epochs_done,
    newest_checkpoint,
    read_checkpoint,
)
from emotion.runs.relocate import move_clips
from emotion.runs.report import report_data, write_report
from emotion.runs.run import FINISHED, Run, find_run
from emotion.training.callbacks.fit_start import FitStart
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.callbacks.utilisation import Utilisation
from emotion.training.lightning_trainer import child_processes_killed, quiet_lightning
from emotion.training.session import (
    Session,
    Timing,
    initialise_weights,
    open_session,
    with_found,
    write_run_files,
)
from emotion.training.test import test_run
from emotion.training.threads import threads_as_started
from emotion.utils.distributed import is_rank_zero
from emotion.utils.files import write_json

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
    inherited = False
    if settings.init_from:
        source = find_run(settings.init_from, Path(settings.output_root))
        inherited = source.labels == data.labels
    check_labels(data.index, inherited=inherited)
    session = open_session(with_found(settings, data), run, data, timing)
    initialise_weights(session)
    if is_rank_zero():
        write_run_files(session, choices)
    return _fit_and_test(session, lambda: None)


def resume(run: Run, overrides: Sequence[str]) -> Run:
    """Resume a run from its newest checkpoint; return it once it has its report.

    A finished run is left unchanged; overrides that would change data, labels or model are refused.
    """
    if not (run.folder / "config.yaml").is_file():  # after it was found, before it was locked
        raise RunError(f"{run.folder} was deleted by another process.")
    if run.finished:
        log.info("%s is finished", run.folder)
        return run
    run.split_file  # noqa: B018 - raises an error if the file was changed
    settings = override_resumed(run.settings, overrides)
    moved = move_clips(run.settings.dataset, settings.dataset["root"])
    settings = replace(settings, dataset=moved)
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
    epochs, step, fitted = 0, 0, False
    if checkpoint is None:
        initialise_weights(session)
    else:
        check_continued(run, settings, clips=len(data.rows[TRAIN]))
        state = read_checkpoint(checkpoint)
        epochs, step, fitted = epochs_done(state), state["global_step"], _is_fitted(state, settings)
    log.info("resumed at epoch %d, step %d", epochs, step)

    def write_changes() -> None:
        if is_rank_zero() and settings != run.settings:
            save_settings(run.folder / "config.yaml", settings)
        if is_rank_zero() and checkpoint is not None:
            delete_damaged_last(checkpoint)

    return _fit_and_test(session, write_changes, checkpoint=checkpoint, fitted=fitted)


def _fit_and_test(
    session: Session,
    write_first: Callable[[], None],
    *,
    checkpoint: Path | None = None,
    fitted: bool = False,
) -> Run:
    """Fit the model unless it is fitted, from a checkpoint if there is one; test and report it.

    `write_first` writes what changes in the folder before the first step, once all checks of the
    settings, Lightning's included, have passed.
    """
    settings, folder, timing = session.settings, session.run.folder, session.timing
    trainer = session.trainer

    def start() -> None:
        write_first()
        timing.start()

    if fitted:
        start()
    trainer.callbacks.insert(0, FitStart(start))  # type: ignore[attr-defined] # undeclared
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


def check_continued(run: Run, settings: TrainSettings, *, clips: int) -> None:
    """Check that the state in a run's checkpoint fits the settings that it is resumed with.

    A checkpoint has the state of optimizer and schedule, and a schedule is made for a number of
    steps, which follows from epochs, batch size and the number of training clips, `clips`.

    Raises:
        ConfigError: another optimizer or schedule, or more steps than the schedule has.
    """
    other = f"Start a new run; init_from={run.folder} keeps the weights."
    for name in ("optimizer", "schedule"):
        if getattr(settings.trainer, name) != getattr(run.settings.trainer, name):
            raise ConfigError(
                f"trainer.{name} cannot change in a resumed run: its checkpoint has the state of "
                f"the one it started with. {other}"
            )
    before, now = (
        own.trainer.max_epochs * math.ceil(clips / own.loader.batch_size)
        for own in (run.settings, settings)
    )
    if settings.trainer.schedule and now > before:
        raise ConfigError(
            f"trainer.max_epochs={settings.trainer.max_epochs} at loader.batch_size="
            f"{settings.loader.batch_size} makes {now} steps, but the learning-rate schedule of "
            f"{run.folder} ends after {before}. Give at most {before} steps. {other}"
        )


def _saved_split(run: Run, data: EmotionDataModule) -> Split:
    """Return the split that a run started with."""
    if run.environment["fingerprints"]["index"] != data.index.fingerprint:
        raise RunError(
            f"the clips under {data.index.root} have changed since {run.folder} started. "
            "Restore them, or start a new run."
        )
    split = FileSplit(path=str(run.split_file), val_fraction=0).assign(data.index.table)
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
