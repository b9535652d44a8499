"""Runs a command under Hydra; the overrides and the output folder of the current job."""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from emotion.cli.commands import COMMANDS, OK, load_command
from emotion.cli.error_messages import explained
from emotion.cli.overrides import overrides
from emotion.utils.distributed import is_first

log = logging.getLogger(__name__)

BEGUN = frozenset(("train.log", ".lock"))
"""What lies in a run's folder before there is a run."""


def run_hydra(command: str, words: list[str]) -> int:
    """Compose a command's config, run it, return its exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to `run`, which explains them
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from emotion.config.composition import CONFIGS, Config, chosen_groups, register

    register()
    set_up_logging()
    if "debug=true" not in words:
        threading.excepthook = lambda hook: log.error(
            "error: %s", explained(hook.exc_value or RuntimeError(), command)
        )
    codes: list[int] = []
    errors: list[Exception] = []
    sweep: Path | None = None

    def task(node: Any) -> float | None:
        nonlocal sweep
        # Where the job runs in a process of its own, nothing of this is there yet; and Lightning
        # starts a run's other processes by this very command line.
        register()
        set_up_logging()
        sys.argv = [program, command, *words]
        folder = output_folder()
        sweeps = str(HydraConfig.get().mode).endswith("MULTIRUN")
        if sweeps:
            sweep = Path(HydraConfig.get().sweep.dir)
        try:
            choices = chosen_groups(HydraConfig.get().runtime.choices)
            codes.append(load_command(command)(Config(node, choices)))
        except Exception as err:
            if COMMANDS[command].makes_folder and folder != Path():
                remove_begun(folder)
            if sweeps:
                log.error("error: %s", err)
                raise
            errors.append(err)  # raised below: Hydra would print it in words of its own
        return objective(folder) if sweeps else None

    program = sys.argv[0]
    sys.argv = [f"emotion {command}", *overrides(command, words)]
    try:
        hydra.main(version_base="1.3", config_path=f"pkg://{CONFIGS}", config_name=command)(task)()
    except Exception:
        if sweep is not None:  # of one that came to its end, its callback prints the table
            report_sweep(sweep)
        raise
    if errors:
        raise errors[0]
    return max(codes, default=OK)


def set_up_logging() -> None:
    """Send log lines to stderr as they are; a log that finds no room is no error of its own."""
    logging.raiseExceptions = False
    level = logging.INFO if is_first() else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("matplotlib", "PIL", "timm", "numexpr"):
        logging.getLogger(name).setLevel(logging.WARNING)


def remove_begun(folder: Path) -> None:
    """Remove the folder that was made for a job which left nothing but its log in it."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= BEGUN:
        for name in BEGUN:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def objective(folder: Path) -> float | None:
    """Return what a sweeper is to maximise: a job's UAR on validation clips."""
    from emotion.runs.run import Run

    score: float | None = Run(folder).metrics.get("val", {}).get("uar")
    return score


def report_sweep(folder: Path) -> None:
    """Print a sweep's table, as far as it came."""
    from emotion.experiments.sweep_table import describe_sweep

    print(describe_sweep(folder))


def task_overrides() -> list[str]:
    """Return the overrides that the user gave."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


def output_folder() -> Path:
    """Return the folder that Hydra made for this job, relative where that is shorter."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
