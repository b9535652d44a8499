"""The commands. Each is a Hydra program; what is heavy is imported when a command needs it."""

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.errors import EmotionError, near
from emotion.words import UsageError, overrides

if TYPE_CHECKING:
    from emotion.config import Config

COMMANDS = {
    "train": "fit a model, test it, report (resume=RUN goes on with a run)",
    "prepare": "index the clips and cache their waveforms",
    "stats": "sample rates, lengths, labels and speakers of a dataset",
    "inspect": "what reaches the model: shape and picture, with and without augmentation",
    "evaluate": "judge a run on its test clips or on another dataset",
    "predict": "files, folders or the microphone -> emotion and probabilities",
    "embed": "files or folders -> what the model's last layer is given, as a table",
    "export": "a run as ONNX, in a folder that runs by itself",
    "serve": "a page to record or drop a file on, and a JSON service",
    "benchmark": "prediction time, throughput and memory",
    "study": "models × folds × seeds as one table with intervals and paired tests",
    "download": "fetch a corpus: ravdess, crema_d, savee, tess, or cs334, all four",
    "list": "what can be picked: datasets, models, splits, trainers, experiments, sweeps",
    "doctor": "what this machine has and lacks",
    "prune": "drop caches and runs that nothing cites, by age or size",
}
"""Each command and what it does; a Hydra command has a config of its name."""

DISK_FULL = 28
OK, FAILED, USAGE = 0, 1, 2

log = logging.getLogger("emotion")


def main() -> None:
    """Run the command that the shell gave, and leave with its exit code."""
    # Threads that wait for one another sleep. Spinning, as is the default, makes a step ten times
    # slower as soon as another process wants the same cores. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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


def explained(error: Exception, command: str) -> str:
    """Return one line for an error that this program did not raise itself."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from emotion.config import explain, first_line

    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain(error, command)
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror + (f": {error.filename}" if error.filename else "")
        hint = " Make room, then run the same command again." if error.errno == DISK_FULL else ""
        return f"{what}.{hint}"
    return f"{type(error).__name__}: {first_line(error)} (debug=true shows where)"


class Stopped(BaseException):
    """A signal that ends the program; no handler of errors takes it for one."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextlib.contextmanager
def signals_raised() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`; a second one ends the process at once."""

    def stop(signum: int, _: object) -> None:
        signal.signal(signum, signal.SIG_DFL)
        raise Stopped(signum)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def fail(message: str, code: int) -> int:
    """Print one physical line on stderr and return the code."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
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
    codes: list[int] = []
    errors: list[Exception] = []
    tables: set[Path] = set()

    def task(node: Any) -> None:
        folder = output_folder()
        sweeps = str(HydraConfig.get().mode).endswith("MULTIRUN")
        if sweeps:
            tables.add(Path(HydraConfig.get().sweep.dir))
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

    sys.argv = [f"emotion {command}", *overrides(command, words)]
    try:
        hydra.main(version_base="1.3", config_path=f"pkg://{CONFIGS}", config_name=command)(task)()
    finally:
        for folder in tables:
            report_sweep(folder)
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
    """Send log lines to stderr as they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("matplotlib", "PIL", "timm", "numexpr"):
        logging.getLogger(name).setLevel(logging.WARNING)


def output_folder() -> Path:
    """Return the folder that Hydra made for this job, relative where that is shorter."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def remove_begun(folder: Path) -> None:
    """Remove the folder that was made for a job which left nothing but its log in it."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"train.log"}:
        (folder / "train.log").unlink(missing_ok=True)
        folder.rmdir()


def report_sweep(folder: Path) -> None:
    """Print a sweep's table, its best and its fastest job, and where the table lies."""
    from emotion.sweeps import TABLE, summarise_sweep
    from emotion.tables import read_table

    if (folder / TABLE).exists():
        print("\n".join(summarise_sweep(read_table(folder / TABLE))))
        print(f"table: {folder / TABLE}")


# --- commands ------------------------------------------------------------------------------------


def train(config: "Config") -> int:
    """Fit, test and report one run."""
    from emotion.inherit import inherit
    from emotion.runs import find_run
    from emotion.training import logged_to, resume, summary, train

    if config["resume"]:
        run = find_run(config["resume"], Path(config["output_root"]))
        with logged_to(run.folder):
            run = resume(run, task_overrides())
    else:
        folder = output_folder()
        with logged_to(folder):
            run = train(inherit(config, task_overrides()), folder)
    print(summary(run))
    return OK


def prepare(config: "Config") -> int:
    """Index the clips and cache their waveforms."""
    from emotion.prepare import prepare

    print(prepare(config))
    return OK


def stats(config: "Config") -> int:
    """Describe a dataset in tables and pictures."""
    from emotion.corpora.stats import describe_dataset

    print(describe_dataset(config, output_folder()))
    return OK


def inspect(config: "Config") -> int:
    """Show what reaches the model."""
    from emotion.inspect import inspect_model

    print(inspect_model(config, output_folder()))
    return OK


def evaluate(config: "Config") -> int:
    """Judge a run."""
    from emotion.evaluate import evaluate

    print(evaluate(config))
    return OK


def study(config: "Config") -> int:
    """Run what is missing of a study."""
    from emotion.study import run_study

    table, done = run_study(config, task_overrides())
    print(table)
    return OK if done else FAILED


def predict(config: "Config") -> int:
    """Label files."""
    from emotion.inference.predict import predict

    return predict(config)


def embed(config: "Config") -> int:
    """Write files' embeddings."""
    from emotion.inference.embed import embed

    return embed(config)


def export(config: "Config") -> int:
    """Write a run as a folder that runs by itself."""
    from emotion.inference.export import export

    print(export(config))
    return OK


def serve(config: "Config") -> int:
    """Open the page and the JSON service."""
    from emotion.inference.serve import serve

    return serve(config)


def benchmark(config: "Config") -> int:
    """Time a model's predictions."""
    from emotion.benchmark import benchmark

    print(benchmark(config, output_folder()))
    return OK


def download(config: "Config") -> int:
    """Fetch a corpus."""
    from emotion.choices import choices_of
    from emotion.corpora.download import download
    from emotion.progress import bars

    if config.get("source") is None:
        word = config.choices.get("source", "")
        said = f"there is no source {word!r}." if word else "emotion download what?"
        raise UsageError(f"{said}{near(word, choices_of('source'))}")
    source, root = config.build("source"), Path(config["data_root"]).expanduser()
    archive = config["archive"] and Path(config["archive"]).expanduser()
    print(source.about(), flush=True)
    if source.fetch is None and archive is None:
        print(source.by_hand(), flush=True)
    print(download(source, root, archive=archive, bars=bars))
    return OK


def prune(config: "Config") -> int:
    """Drop what is old and cited by nothing."""
    from emotion.prune import prune

    print(prune(config))
    return OK


def list_choices(words: list[str]) -> int:
    """Print what can be picked."""
    from emotion.choices import list_choices

    print(list_choices(words))
    return OK


def doctor(words: list[str]) -> int:
    """Print what this machine has and lacks."""
    from emotion.doctor import examine

    text, healthy = examine()
    print(text)
    return OK if healthy else FAILED


def task_overrides() -> list[str]:
    """Return the overrides that the user gave."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


HYDRA: dict[str, Callable[["Config"], int]] = {
    "train": train,
    "prepare": prepare,
    "stats": stats,
    "inspect": inspect,
    "evaluate": evaluate,
    "study": study,
    "predict": predict,
    "embed": embed,
    "export": export,
    "serve": serve,
    "benchmark": benchmark,
    "download": download,
    "prune": prune,
}
PLAIN: dict[str, Callable[[list[str]], int]] = {"list": list_choices, "doctor": doctor}
LEAVE_FOLDER = frozenset(("train", "stats", "inspect", "benchmark"))
