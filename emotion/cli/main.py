"""The program `emotion`: takes a command line, runs its command under Hydra, explains errors."""

import io
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence

from emotion.cli.commands import COMMANDS, FAILED, OK, USAGE, load_command
from emotion.cli.overrides import UsageError
from emotion.errors import EmotionError, near
from emotion.utils.printable import printable
from emotion.utils.signals import Stopped, signals_raised

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
        if not COMMANDS[command].hydra:
            return load_command(command)(rest)
        from emotion.cli.hydra_job import run_hydra

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
        from emotion.cli.error_messages import explained

        return fail(explained(err, command), FAILED)


def fail(message: str, code: int) -> int:
    """Print one physical line on stderr and return the code."""
    print("error: " + printable(" ".join(message.split())), file=sys.stderr)
    return code


def usage() -> str:
    """Return the text of `emotion --help`."""
    lines = [f"  {name:<10} {command.summary}" for name, command in COMMANDS.items()]
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
    if command not in COMMANDS or not COMMANDS[command].hydra:
        return OK
    from emotion.cli.hydra_job import run_hydra

    return run_hydra(command, words)
