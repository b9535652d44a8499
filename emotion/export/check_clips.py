"""Clips to hold two forms of a model against each other: a run's own where they are, or made up."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emotion.audio.decode import Wave
from emotion.config.composition import Config, composed
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.data.splits.protocols import FileSplit
from emotion.errors import EmotionError
from emotion.runs.run import Run

log = logging.getLogger(__name__)

TYPICAL = 100
"""Clips that the ranges of 8-bit integers are taken from."""


@dataclass(frozen=True)
class Samples:
    """Standardised clips.

    Attributes:
        waves: (T,) each, those that are compared.
        target: their classes' ids, (N,); None where they are not of the run's corpora.
        typical: clips of the training, or the same where there is none.
        source: what the clips are, in words.
    """

    waves: list[Wave]
    target: npt.NDArray[np.int64] | None
    typical: list[Wave]
    source: str


def draw_samples(run: Run, *, cache_dir: Path, limit: int | None) -> Samples:
    """Return a run's test clips, else its validation clips, else synthetic ones.

    Args:
        run: whose clips.
        cache_dir: where their waveforms are, or go.
        limit: at most so many, drawn evenly; None for all.
    """
    settings = run.config.replaced({"cache_dir": str(cache_dir)})
    try:
        data = build_datamodule(settings, protocol=FileSplit(path=str(run.folder / "split.csv")))
        data.setup()
    except EmotionError as err:
        log.info("the clips of %s are not here (%s); synthetic ones stand in", run.folder, err)
        return _synthetic(settings)
    for part, source in ((TEST, "test clips"), (VAL, "validation clips")):
        rows = _spread(data.rows[part], limit)
        if len(rows):
            target = data.targets[rows].numpy()
            typical = _waves(data, _spread(data.rows[TRAIN], TYPICAL))
            return Samples(_waves(data, rows), target, typical, source)
    return _synthetic(settings)


def _synthetic(settings: Config) -> Samples:
    """Return the synthetic clips of two speakers, standardised as a run's are."""
    few = ["dataset=synthetic", "dataset.generate.speakers=2", "dataset.generate.sentences=4"]
    with composed("train", few) as made:
        made = made.replaced({"cache_dir": settings["cache_dir"]})
        data = build_datamodule(settings.replaced({"dataset": made["dataset"]}))
    data.prepare_data()
    waves = [data.cache.wave(row) for row in range(len(data.cache.index))]
    return Samples(waves, None, waves, "synthetic clips")


def _spread(rows: torch.Tensor, limit: int | None) -> torch.Tensor:
    """Return at most so many rows, drawn evenly."""
    if limit is None or len(rows) <= limit:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, limit).long()]


def _waves(data: EmotionDataModule, rows: torch.Tensor) -> list[Wave]:
    places = data.index.table["row"].to_numpy()[rows.numpy()]
    return [data.cache.wave(int(place)) for place in places]
