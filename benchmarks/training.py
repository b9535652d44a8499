"""Training runs timed by the epoch: the program's own, a bare loop's, the usual way's."""

import csv
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from benchmarks.common import Clips, command, floor, python, scratch_folder
from emotion.config.composition import composed
from emotion.data.labels import DEFAULT
from emotion.models.build import build_model


@dataclass(frozen=True)
class Pass:
    """Milliseconds a clip of a training and of a validation pass; medians over a run's epochs."""

    train: float
    val: float


@dataclass(frozen=True)
class Subject:
    """A network as the bare loops take it."""

    model: str
    file: Path
    shape: str
    batch: int


def save_network(model: str, folder: Path) -> Subject:
    """Write a model's network, from the picture on, with fresh weights."""
    with composed("train", [f"model={model}"]) as config:
        built = build_model(config.replaced({"dataset.labels": list(DEFAULT)}))
        batch = int(config["loader.batch_size"])
    features = built.features
    transfer = hasattr(built, "backbone")
    body = built.backbone if transfer else built.blocks
    file = folder / f"{model}.pt"
    torch.save(nn.Sequential(body, built.head), file)  # type: ignore[arg-type]
    shape = f"{3 if transfer else 1}x{features.rows}x{features.columns}"
    return Subject(model, file, shape, batch)


def train_words(some: Clips, cache: Path, folder: Path, model: str, epochs: int) -> list[str]:
    """Return the words of a training run with the settings that users get, weights fresh."""
    weights = [] if model == "cnn" else ["model.pretrained=false"]
    return [
        "train",
        *some.words,
        *weights,
        f"model={model}",
        f"cache_dir={cache}",
        f"output_root={folder}",
        f"trainer.max_epochs={epochs}",
        f"trainer.early_stopping.patience={epochs}",
    ]


def run_program(
    some: Clips, cache: Path, model: str, epochs: int, *more: str
) -> tuple[Pass, Counter[str]]:
    """Return the passes of `emotion train`, all that it does in an epoch, and its subsets.

    An epoch lasts from one epoch's last line to the next one's: logging, figures and checkpoints
    are in it. The first epoch, which warms up, is left out.
    """
    with scratch_folder() as folder:
        command(*train_words(some, cache, folder, model, epochs), *more)
        run = next((folder / "train").iterdir())
        with (run / "split.csv").open(encoding="utf-8") as file:
            subsets = Counter(row["subset"] for row in csv.DictReader(file))
        events = EventAccumulator(str(run / "tensorboard"))
        events.Reload()
        ends = events.Scalars("epoch/seconds")
        trains = events.Scalars("epoch/train_seconds")
    val = [end.value - train.value for end, train in zip(ends, trains, strict=True)][1:]
    whole = [after.wall_time - before.wall_time for before, after in itertools.pairwise(ends)]
    train = [one - other for one, other in zip(whole, val, strict=True)]
    return Pass(per_clip(train, subsets["train"]), per_clip(val, subsets["val"])), subsets


def run_floor(
    subject: Subject,
    subsets: Counter[str],
    epochs: int,
    device: str = "cpu",
    precision: str = "32-true",
) -> Pass:
    """Return the passes of the bare loop over as many clips."""
    train, val = subsets["train"], subsets["val"]
    words = (subject.file, subject.shape, subject.batch, train, val, epochs, device, precision)
    found = floor("epoch", *words)[2:]
    return Pass(per_clip(found[::2], train), per_clip(found[1::2], val))


def run_baseline(
    subject: Subject, files: Sequence[Path], epochs: int, device: str = "cpu", way: str = "epoch"
) -> Pass:
    """Return the passes of the usual way, over prepared files: a sixth are for validation.

    `way` is epoch, or fresh: each item has its mel filters made.
    """
    names = subject.file.with_suffix(".txt")
    names.write_text("\n".join(map(str, files)), encoding="utf-8")
    words = (way, names, subject.file, subject.shape, subject.batch, epochs, device)
    text = python("-m", "benchmarks.baseline", *words)[1]
    found = [float(word) for word in text.split()][2:]
    val = len(files) // 6
    return Pass(per_clip(found[::2], len(files) - val), per_clip(found[1::2], val))


def prepare_files(some: Clips, folder: Path) -> list[Path]:
    """Return a prepared file a clip for the usual way, from the program's own cache."""
    import numpy as np

    from emotion.audio.standardise import Standardiser
    from emotion.data.corpora.dataset import table_dataset
    from emotion.data.corpora.index import build_index
    from emotion.data.waveform_cache import open_cache

    dataset = table_dataset(path=str(some.table), root=str(some.root), labels=None)
    index = build_index(dataset, folder / "index")
    standardiser = Standardiser(24414, 2618)
    cache = open_cache(index.table, standardiser, root=some.root, folder=folder / "waves")
    files = [folder / f"{row}.npy" for row in range(len(cache.index))]
    for row, file in enumerate(files):
        np.save(file, cache.wave(row))
    return files


def per_clip(seconds: Sequence[float], count: int) -> float:
    """Return the median in milliseconds a clip."""
    return 1000 * median(seconds) / count
