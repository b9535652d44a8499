"""The table of commands: what each does, and the module `emotion.cli.<name>` that runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes."""


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Args:
        summary: its line in `emotion --help`.
        hydra: whether it is composed from `conf/<name>.yaml`; else it takes plain words.
        makes_folder: whether Hydra makes an output folder for it.
    """

    summary: str
    hydra: bool = True
    makes_folder: bool = False


COMMANDS = {
    "train": Command(
        "fit a model, test it, report (resume=RUN goes on with a run)", makes_folder=True
    ),
    "prepare": Command("index the clips and cache their waveforms"),
    "stats": Command("sample rates, lengths, labels and speakers of a dataset", makes_folder=True),
    "inspect": Command(
        "what reaches the model: shape and picture, with and without augmentation",
        makes_folder=True,
    ),
    "evaluate": Command("judge a run on its test clips or on another dataset"),
    "predict": Command("files, folders or the microphone -> emotion and probabilities"),
    "embed": Command("files or folders -> what the model's last layer is given, as a table"),
    "export": Command("a run as ONNX, in a folder that runs by itself"),
    "serve": Command("a page to record or drop a file on, and a JSON service"),
    "benchmark": Command("prediction time, throughput and memory", makes_folder=True),
    "study": Command("models × folds × seeds as one table with intervals and paired tests"),
    "download": Command("fetch a corpus: ravdess, crema_d, savee, tess, or cs334, all four"),
    "list": Command(
        "choices: datasets, models, splits, trainers, experiments, sweeps",
        hydra=False,
    ),
    "doctor": Command("what this machine has and lacks", hydra=False),
    "prune": Command("drop caches and runs that nothing cites, by age or size"),
}
"""Every command by its name."""


def load_command(name: str) -> Callable[[Any], int]:
    """Return the function that runs a command; its module is imported now.

    It takes the composition, or the words of the command line where `hydra` is false, and returns
    the exit code.
    """
    run: Callable[[Any], int] = import_module(f"emotion.cli.{name}").run
    return run
