"""Epoch times of training: the program, a bare training loop, and a DataLoader that reads files."""

import csv
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from benchmarks.common import (
    RATE,
    ClipList,
    run_command,
    run_floor_script,
    run_python,
    scratch_folder,
    write_path_list,
)
from emotion.audio.standardise import Standardiser
from emotion.config.composition import compose
from emotion.data.corpora.dataset import table_dataset
from emotion.data.corpora.index import open_clips
from emotion.data.labels import DEFAULT_LABELS
from emotion.models.build import build_model

DURATION_MS = 2618
"""Length of every clip under preprocessing=cs334."""


@dataclass(frozen=True)
class EpochTimes:
    """Milliseconds per clip of the training and the validation pass, medians over epochs."""

    train: float
    val: float

    def epoch_seconds(self, subsets: Counter[str]) -> float:
        """Return the seconds of a whole epoch over subsets of these sizes."""
        return (self.train * subsets["train"] + self.val * subsets["val"]) / 1000


@dataclass(frozen=True)
class SavedNetwork:
    """A network file for the scripts that do not use the package.

    Attributes:
        file: the pickled network, from spectrogram to logits.
        shape: of its input, as CHANNELSxBANDSxFRAMES.
        batch: default batch size of the model.
    """

    file: Path
    shape: str
    batch: int


def save_network(model: str, folder: Path) -> SavedNetwork:
    """Write a model's network with random weights, and return its description."""
    settings = compose("train", [f"model={model}"]).settings
    built = build_model(settings.model, DEFAULT_LABELS)
    features = built.features
    is_timm = hasattr(built, "backbone")
    body = built.backbone if is_timm else built.blocks
    file = folder / f"{model}.pt"
    torch.save(nn.Sequential(body, built.head), file)  # type: ignore[arg-type]
    shape = f"{3 if is_timm else 1}x{features.rows}x{features.columns}"
    return SavedNetwork(file, shape, settings.loader.batch_size)


def train_arguments(
    clips: ClipList, cache: Path, folder: Path, model: str, epochs: int
) -> list[str]:
    """Return the arguments of `emotion train` with its default settings and random weights."""
    weights = [] if model == "cnn" else ["model.pretrained=false"]
    return [
        "train",
        *clips.overrides,
        *weights,
        f"model={model}",
        f"cache_dir={cache}",
        f"output_root={folder}",
        f"trainer.max_epochs={epochs}",
        f"trainer.early_stopping.patience={epochs}",
    ]


def run_program(
    clips: ClipList, cache: Path, model: str, epochs: int, *overrides: str
) -> tuple[EpochTimes, Counter[str]]:
    """Return the epoch times of `emotion train` and the number of clips in each subset.

    An epoch is timed from the log line of the epoch before to its own, so that logging, metrics and
    checkpoints count. The first epoch is a warm-up and is left out.
    """
    with scratch_folder() as folder:
        run_command(*train_arguments(clips, cache, folder, model, epochs), *overrides)
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
    return EpochTimes(per_clip(train, subsets["train"]), per_clip(val, subsets["val"])), subsets


def run_floor(
    network: SavedNetwork,
    subsets: Counter[str],
    epochs: int,
    device: str = "cpu",
    precision: str = "32-true",
) -> EpochTimes:
    """Return the epoch times of the bare training loop over as many clips."""
    train, val = subsets["train"], subsets["val"]
    arguments = (network.file, network.shape, network.batch, train, val, epochs, device, precision)
    seconds = run_floor_script("epoch", *arguments)[2:]
    return EpochTimes(per_clip(seconds[::2], train), per_clip(seconds[1::2], val))


def run_baseline(
    network: SavedNetwork,
    files: Sequence[Path],
    epochs: int,
    device: str = "cpu",
    variant: str = "epoch",
) -> EpochTimes:
    """Return the epoch times of `benchmarks.baseline`; one clip in six validates.

    Args:
        network: the network to train.
        files: prepared clips, see `prepare_files`.
        epochs: the first is not counted.
        device: cpu or cuda.
        variant: "epoch", or "fresh" to build the mel filters for every clip.
    """
    with scratch_folder() as folder:
        paths = write_path_list(files, folder)
        arguments = (variant, paths, network.file, network.shape, network.batch, epochs, device)
        text = run_python("-m", "benchmarks.baseline", *arguments)[1]
    seconds = [float(word) for word in text.split()][2:]
    val = len(files) // 6
    return EpochTimes(per_clip(seconds[::2], len(files) - val), per_clip(seconds[1::2], val))


def prepare_files(
    clips: ClipList, cache_dir: Path, folder: Path, count: int | None = None
) -> list[Path]:
    """Return files of standardised samples, one per clip, for `benchmarks.baseline`.

    Args:
        clips: the clips to prepare.
        cache_dir: the cache that the samples are copied from, built where it is missing.
        folder: where the files are written.
        count: of files at most; None: all clips.
    """
    dataset = table_dataset(path=str(clips.table), root=str(clips.root), labels=None)
    cache = open_clips(dataset, Standardiser(RATE, DURATION_MS), cache_dir=cache_dir)[1]
    folder.mkdir()
    files = [folder / f"{row}.npy" for row in range(len(cache.index))][:count]
    for row, file in enumerate(files):
        np.save(file, cache.wave(row))
    return files


def per_clip(seconds: Sequence[float], count: int) -> float:
    """Return the median of passes over `count` clips, in milliseconds per clip."""
    return 1000 * median(seconds) / count
