"""The table of commands: what each does, and the module `emotion.cli.<name>` that runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

OK, FAILED, USAGE, SOME_UNREADABLE = 0, 1, 2, 3
"""Exit codes."""


@dataclass(frozen=True)
class Command:
    """A command of the program."""

    summary: str  # its line in `emotion --help`
    hydra: bool = True  # whether it is composed from `conf/<name>.yaml`; else it takes plain words
    makes_folder: bool = False  # whether Hydra makes an output folder for it


COMMANDS = {
    "train": Command(
        "train a model, test it, write a report (resume=RUN resumes a run)", makes_folder=True
    ),
    "prepare": Command("index the clips of a dataset and cache their waveforms"),
    "stats": Command("sample rates, lengths, labels and speakers of a dataset", makes_folder=True),
    "inspect": Command(
        "shape and plots of the model's input, with and without augmentation", makes_folder=True
    ),
    "evaluate": Command("score a run on its test clips, another dataset or perturbed audio"),
    "predict": Command("emotion and probabilities of files, folders or the microphone"),
    "embed": Command("embeddings of files or folders as a table"),
    "export": Command("write a run as an ONNX folder that runs without PyTorch"),
    "serve": Command("a page to record or upload a clip, and a JSON service"),
    "benchmark": Command("prediction time, throughput and memory of models", makes_folder=True),
    "study": Command("models × folds × seeds as one table with intervals and paired tests"),
    "download": Command("fetch a corpus: ravdess, crema_d, savee, tess, or cs334, all four"),
    "list": Command("list the choices of a config group: datasets, models, splits, …", hydra=False),
    "doctor": Command("check packages, devices and corpora of this machine", hydra=False),
    "prune": Command("delete caches and runs that are not cited, by age or size"),
}
"""Every command by its name."""


def load_command(name: str) -> Callable[[Any], int]:
    """Return the function that runs a command; its module is imported now.

    It takes the composition, or the words of the command line where `hydra` is false, and returns
    the exit code.
    """
    run: Callable[[Any], int] = import_module(f"emotion.cli.{name}").run
    return run
