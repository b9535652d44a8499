"""Runs a command under Hydra; the overrides and the output folder of the current job."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from emotion.cli.commands import COMMANDS, OK, load_command
from emotion.cli.error_messages import explain_error
from emotion.cli.overrides import split_config_folder, to_hydra
from emotion.config.composition import CONFIGS, Composition, chosen_groups, config_folder, register
from emotion.config.schema import SETTINGS
from emotion.config.trust import trusting
from emotion.utils.distributed import is_rank_zero

log = logging.getLogger(__name__)

INITIAL_FILES = frozenset(("train.log", ".lock"))  # files of a run folder before it is a run


class HydraJob:
    """One command line under Hydra: a single job, or the jobs of a sweep."""

    def __init__(self, command: str, words: Sequence[str], *, debug: bool = False) -> None:
        self.command = command
        self.words = list(words)
        self.debug = debug  # errors keep their traceback; the setting `debug` switches it on too
        self.program = sys.argv[0]
        self.codes: list[int] = []
        self.error: Exception | None = None
        self.sweep_folder: Path | None = None

    def run(self) -> int:
        """Compose the settings, run the command, return its exit code."""
        os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach this program, which explains them
        register()
        set_up_logging()
        threading.excepthook = self._log_thread_error
        start = hydra.main(f"pkg://{CONFIGS}", self.command, version_base="1.3")
        words, folder = split_config_folder(self.words)
        try:
            with config_folder(folder) as flags:
                sys.argv = [f"emotion {self.command}", *flags, *to_hydra(self.command, words)]
                start(self.task)()
        except Exception:
            if self.sweep_folder is not None:  # a sweep that ends prints its table itself
                from emotion.experiments.sweep_table import describe_sweep

                print(describe_sweep(self.sweep_folder))
            raise
        if self.error is not None:
            raise self.error
        return max(self.codes, default=OK)

    def task(self, node: DictConfig) -> float | None:
        """Run one job; return the value that a sweeper maximises."""
        # A job in a process of its own needs these again; and Lightning starts the processes of
        # other devices by this very command line.
        register()
        set_up_logging()
        sys.argv = [self.program, self.command, *self.words]
        config, folder = HydraConfig.get(), output_folder()
        is_sweep = config.mode == RunMode.MULTIRUN
        if is_sweep:
            self.sweep_folder = Path(config.sweep.dir)
        self.debug |= bool(node.debug)
        choices = chosen_groups(config.runtime.choices)
        composition = Composition(node, SETTINGS[self.command], choices)
        try:
            with trusting(node.trust):
                self.codes.append(load_command(self.command)(composition))
        except Exception as err:
            if COMMANDS[self.command].makes_folder and folder != Path():
                remove_initial_folder(folder)
            if is_sweep:
                log.error("error: %s", err)
                raise
            self.error = err  # raised by `run`: Hydra would print a message of its own
        return validation_score(folder) if is_sweep else None

    def _log_thread_error(self, arguments: threading.ExceptHookArgs) -> None:
        if self.debug:
            threading.__excepthook__(arguments)
        else:
            error = arguments.exc_value or RuntimeError()
            log.error("error: %s", explain_error(error, self.command))


def set_up_logging() -> None:
    """Print log lines to stderr without a prefix; a full disk does not raise from logging."""
    logging.raiseExceptions = False
    level = logging.INFO if is_rank_zero() else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("matplotlib", "PIL", "timm", "numexpr"):
        logging.getLogger(name).setLevel(logging.WARNING)


def remove_initial_folder(folder: Path) -> None:
    """Remove the output folder of a failed job that wrote nothing but its log."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= INITIAL_FILES:
        for name in INITIAL_FILES:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def validation_score(folder: Path) -> float | None:
    """Return the UAR of a run on validation clips, which a sweeper maximises."""
    from emotion.runs.run import Run

    score: float | None = Run(folder).metrics.get("val", {}).get("uar")
    return score


def task_overrides() -> list[str]:
    """Return the overrides of the command line."""
    return list(HydraConfig.get().overrides.task)


def output_folder() -> Path:
    """Return the output folder of this job, relative to the current folder where it is below."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
