"""The command `train`: trains, tests and reports one run, or resumes it."""

import signal
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException

from emotion.cli.commands import OK
from emotion.cli.error_messages import explain_error
from emotion.cli.hydra_job import output_folder, remove_initial_folder, task_overrides
from emotion.cli.overrides import UsageError, split_config_folder, to_hydra
from emotion.config.composition import Composition, compose, config_folder
from emotion.config.schema import TrainSettings
from emotion.config.trust import trusting
from emotion.errors import ConfigError
from emotion.runs.lock import locked_run
from emotion.runs.run import Run, find_run
from emotion.training.init_from import apply_init_from
from emotion.training.log_file import log_to_file
from emotion.training.summary import summarise_run
from emotion.training.train import resume, train
from emotion.utils.distributed import is_rank_zero
from emotion.utils.signals import StopSignal, signals_as_exceptions


def run(composition: Composition[TrainSettings]) -> int:
    """Train one run, or resume it; return the exit code."""
    trained = train_composition(composition, output_folder(), task_overrides())
    if is_rank_zero() and (summary := summarise_run(trained)):
        print(summary)
    return OK


def train_composition(
    composition: Composition[TrainSettings], folder: Path, words: Sequence[str]
) -> Run:
    """Train a new run in `folder`, resume the run `settings.resume`, or train a search's trial."""
    settings = composition.settings
    if settings.resume:
        saved = find_run(settings.resume, Path(settings.output_root))
        with log_to_file(saved.folder), locked_run(saved.folder):
            return resume(saved, words)
    if settings.search.by:
        from emotion.experiments.search import run_trial

        return run_trial(apply_init_from(composition, words), folder, words)
    with log_to_file(folder), locked_run(folder):
        composition = apply_init_from(composition, words)
        return train(composition.settings, folder, choices=composition.choices)


def train_from_python(overrides: Sequence[str]) -> Run:
    """Train a run with the words of a command line, without Hydra's job; return it.

    Raises:
        EmotionError: settings, clips or a split that cannot be used.
        KeyboardInterrupt: SIGINT; the run is saved and can be resumed.
        SystemExit: SIGTERM, likewise.
    """
    try:
        own, choices = split_config_folder(overrides)
        words = to_hydra("train", own)
        with config_folder(choices):
            composition = compose("train", words)
    except UsageError as err:
        raise ConfigError(str(err)) from err
    except HydraException as err:
        raise ConfigError(explain_error(err, "train")) from err
    folder = Path(composition.run_folder)
    try:
        with signals_as_exceptions(), trusting(composition.node.trust):
            return train_composition(composition, folder, words)
    except Exception:
        if folder != Path():  # the current folder: resume= names no run
            remove_initial_folder(folder)
        raise
    except StopSignal as stopped:
        if stopped.signum == signal.SIGINT:
            raise KeyboardInterrupt from stopped
        raise SystemExit(128 + stopped.signum) from stopped
