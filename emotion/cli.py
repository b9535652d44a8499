"""The program `emotion`: takes a command line, runs its command under Hydra, explains errors."""

import errno
import io
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion.commands import COMMANDS, FAILED, HYDRA, LEAVE_FOLDER, OK, PLAIN, output_folder
from emotion.errors import EmotionError, near
from emotion.files import NO_ROOM, full_disk
from emotion.printable import printable
from emotion.ranks import is_first
from emotion.signals import Stopped, signals_raised
from emotion.words import UsageError, overrides

HINTS = {
    **dict.fromkeys(NO_ROOM, "Make room, then run the same command again."),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Results go to output_root=FOLDER and caches to cache_dir=FOLDER: name others.",
    ),
}
"""What to do about an error of the disk."""

BEGUN = frozenset(("train.log", ".lock"))
"""What lies in a run's folder before there is a run."""

USAGE = 2

log = logging.getLogger("emotion")


def main() -> None:
    """Run the command that the shell gave, and leave with its exit code."""
    # Threads that wait for one another sleep. Spinning, as is the default, makes a step ten times
    # slower as soon as another process wants the same cores. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what no terminal takes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; errors become one line on stderr."""
    if any(word in ("-sc", "--shell-completion") for word in arguments):
        return complete(list(arguments))
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return OK
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"emotion {version('emotion')}")
        return OK
    command, *rest = arguments
    if command not in COMMANDS:
        return fail(f"there is no command {command!r}.{near(command, COMMANDS)}", USAGE)
    debug = "debug=true" in rest
    try:
        if command in PLAIN:
            return PLAIN[command](rest)
        with signals_raised():
            return run_hydra(command, rest)
    except UsageError as err:
        return fail(str(err), USAGE)
    except EmotionError as err:
        if debug:
            raise
        return fail(str(err), FAILED)
    except Stopped as stopped:
        return fail(f"stopped by {signal.Signals(stopped.signum).name}", 128 + stopped.signum)
    except Exception as err:
        if debug:
            raise
        return fail(explained(err, command), FAILED)


def explained(error: BaseException, command: str) -> str:
    """Return one line for an error that this program did not raise itself."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from emotion.config import explain, first_line

    error = full_disk(error) or error
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain(error, command)
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror + (f": {error.filename}" if error.filename else "")
        return f"{what}. {HINTS.get(error.errno or 0, '')}".rstrip()
    return f"{type(error).__name__}: {first_line(error)} (debug=true shows where)"


def fail(message: str, code: int) -> int:
    """Print one physical line on stderr and return the code."""
    print("error: " + printable(" ".join(message.split())), file=sys.stderr)
    return code


def usage() -> str:
    """Return the text of `emotion --help`."""
    lines = [f"  {name:<10} {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: emotion COMMAND [setting=value ...]",
            "",
            *lines,
            "",
            "emotion train                        a first run, on synthetic voices",
            "emotion train dataset=cs334 model=mobilenet_v3 split=kfold split.fold=2",
            "emotion train -m loader.batch_size=32,64   one run a value",
            "emotion train --cfg job              show all settings and stop",
        ]
    )


# --- Hydra ---------------------------------------------------------------------------------------


def run_hydra(command: str, words: list[str]) -> int:
    """Compose a command's config, run it, return its exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to `run`, which explains them
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from emotion.config import CONFIGS, Config, picked, register

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
            choices = picked(HydraConfig.get().runtime.choices)
            codes.append(HYDRA[command](Config(node, choices)))
        except Exception as err:
            if command in LEAVE_FOLDER and folder != Path():
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


def complete(words: list[str]) -> int:
    """Complete a command line for the shell, or print how to switch that on."""
    line = os.environ.get("COMP_LINE", "")
    match = re.match(r"(\s*\S+\s+)(\S+)(\s.*)?$", line)
    if any(word.startswith("query") for word in words) and (
        match is None or match.group(3) is None
    ):
        start = match.group(2) if match else ""
        print(" ".join(name for name in COMMANDS if name.startswith(start)))
        return OK
    command = "train"
    if match:
        command = match.group(2)
        os.environ["COMP_LINE"] = match.group(1).rstrip() + (match.group(3) or "")
        point = int(os.environ.get("COMP_POINT", len(line)))
        os.environ["COMP_POINT"] = str(point - len(line) + len(os.environ["COMP_LINE"]))
    return run_hydra(command, words) if command in HYDRA else OK


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
    from emotion.runs import Run

    score: float | None = Run(folder).metrics.get("val", {}).get("uar")
    return score


def report_sweep(folder: Path) -> None:
    """Print a sweep's table, as far as it came."""
    from emotion.sweeps import describe_sweep

    print(describe_sweep(folder))
