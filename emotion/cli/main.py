"""Entry point of the program `emotion`: runs a command, explains errors, sets the exit code."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from emotion.cli.commands import COMMANDS, FAILED, OK, USAGE, load_command
from emotion.cli.overrides import UsageError
from emotion.cli.standard_streams import flush_output, reopen_closed_streams
from emotion.errors import EmotionError, suggest
from emotion.utils.printable import printable
from emotion.utils.signals import StopSignal, signals_as_exceptions
from emotion.utils.user_name import ensure_user_name

EXAMPLES = """\
emotion train                        a first run, on synthetic voices
emotion train dataset=cs334 model=mobilenet_v3 split=kfold split.fold=2
emotion train -m loader.batch_size=32,64   one run for each value
emotion train --cfg job              print all settings and stop
emotion train --debug …              print errors with their traceback"""


def main() -> None:
    """Run the command of the command line, and exit with its code."""
    # Waiting threads sleep. By default they spin, which makes a training step ten times slower as
    # soon as another process uses the same cores. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    reopen_closed_streams()
    ensure_user_name()
    for stream in (sys.stdout, sys.stderr):  # file names may hold bytes that cannot be printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    if problem := flush_output():
        code = fail(problem, FAILED)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; errors become one line on stderr."""
    if any(word in ("-sc", "--shell-completion") for word in arguments):
        return complete(list(arguments))
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return run_plain(lambda: show(usage()))
    if arguments[0] == "--version":
        from importlib.metadata import version

        return run_plain(lambda: show(f"emotion {version('emotion')}"))
    command, *rest = arguments
    if command not in COMMANDS:
        return fail(f"there is no command {command!r}.{suggest(command, COMMANDS)}", USAGE)
    if not COMMANDS[command].hydra:
        return run_plain(lambda: load_command(command)(rest))
    return run_hydra(command, [word for word in rest if word != "--debug"], "--debug" in rest)


def run_plain(start: Callable[[], int]) -> int:
    """Run a command that takes plain words; return its exit code."""
    try:
        return start()
    except EmotionError as err:
        return fail(str(err), FAILED)
    except OSError as err:
        from emotion.cli.error_messages import explain_error

        return fail(explain_error(err, ""), FAILED)


def show(text: str) -> int:
    """Print a text; return the exit code."""
    print(text)
    return OK


def run_hydra(command: str, words: Sequence[str], debug: bool) -> int:
    """Run a command with settings that Hydra composes; return its exit code."""
    from emotion.cli.error_messages import explain_error
    from emotion.cli.hydra_job import HydraJob

    job = HydraJob(command, words, debug=debug)
    try:
        with signals_as_exceptions():
            return job.run()
    except UsageError as err:
        return fail(str(err), USAGE)
    except StopSignal as stopped:
        return fail(f"stopped by {signal.Signals(stopped.signum).name}", 128 + stopped.signum)
    except Exception as err:
        if job.debug:
            raise
        is_ours = isinstance(err, EmotionError)
        return fail(str(err) if is_ours else explain_error(err, command), FAILED)


def fail(message: str, code: int) -> int:
    """Print one physical line on stderr and return the code."""
    print("error: " + printable(" ".join(message.split())), file=sys.stderr)
    return code


def usage() -> str:
    """Return the text of `emotion --help`."""
    lines = [f"  {name:<10} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: emotion COMMAND [setting=value ...]", "", *lines, "", EXAMPLES])


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
    return run_hydra(command, words, debug=False)
