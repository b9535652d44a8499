"""Finished runs and caches of a given age, without a model."""

import dataclasses
import functools
import os
import time
from pathlib import Path

from emotion.config.composition import compose, to_yaml
from emotion.config.schema import TrainSettings
from emotion.runs.run import FINISHED
from emotion.utils.files import write_json, write_text
from emotion.utils.locks import LOCK

KEY, OTHER_KEY = "0123456789abcdef0123", "fedcba98765432100000"


def set_age(folder: Path, days: float) -> Path:
    """Set the age of a folder and of everything in it."""
    then = time.time() - days * 86_400
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def write_finished_run(folder: Path, days: float = 90, *, uar: float = 0.5) -> Path:
    """Write the files of a finished run below a folder `outputs`."""
    output_root = next(parent for parent in folder.parents if parent.name == "outputs")
    settings = dataclasses.replace(_settings(), output_root=str(output_root))
    write_text(folder / "config.yaml", to_yaml(settings))
    write_text(folder / "split.csv", "path,subset\n1.wav,test\n")
    write_text(folder / "predictions.csv", "path,target,predicted\n1.wav,a,a\n")
    scores = {"test": {"uar": uar}, "val": {"uar": 1 - uar}}
    write_json(folder / "metrics.json", {"status": FINISHED, **scores})
    write_text(folder / "checkpoints/best.ckpt", "x" * 10_000)
    return set_age(folder, days)


@functools.cache
def _settings() -> TrainSettings:
    settings: TrainSettings = compose("train", ["dataset.labels=[a,b]"]).settings
    return settings


def write_cache(folder: Path, days: float = 90, size: int = 1000) -> Path:
    """Write the files of a cache."""
    write_text(folder / "samples.bin", "x" * size)
    write_text(folder / LOCK, "")
    return set_age(folder, days)
