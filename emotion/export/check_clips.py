"""Clips to compare two forms of a model on: those of the run where they exist, else synthetic."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emotion.audio.decode import Wave
from emotion.config.composition import compose
from emotion.config.schema import TrainSettings
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.data.splits.protocols import FileSplit
from emotion.errors import EmotionError
from emotion.runs.run import Run

log = logging.getLogger(__name__)

CALIBRATION_CLIPS = 100
"""Clips on which the ranges of 8-bit integers are measured."""


@dataclass(frozen=True)
class CheckClips:
    """Standardised clips.

    Attributes:
        waves: clips to compare, (T,) each.
        target: ids of their classes, (N,); None for synthetic clips.
        calibration: training clips of the run, or `waves` where they are synthetic.
        source: description of the clips, such as "test clips".
    """

    waves: list[Wave]
    target: npt.NDArray[np.int64] | None
    calibration: list[Wave]
    source: str


def select_check_clips(run: Run, *, cache_dir: Path, limit: int | None) -> CheckClips:
    """Return a run's test clips, else its validation clips, else synthetic ones.

    They are at most `limit` clips, spread evenly over all; None for all.
    """
    settings = dataclasses.replace(run.settings, cache_dir=str(cache_dir))
    protocol = FileSplit(path=str(run.split_file))
    try:
        data = build_datamodule(settings, protocol=protocol)
        data.setup()
    except EmotionError as err:
        log.info("the clips of %s are missing (%s): synthetic clips are used", run.folder, err)
        return _synthetic_clips(settings)
    for subset, source in ((TEST, "test clips"), (VAL, "validation clips")):
        rows = _spread(data.rows[subset], limit)
        if len(rows):
            target = data.targets[rows].numpy()
            calibration = _waves(data, _spread(data.rows[TRAIN], CALIBRATION_CLIPS))
            return CheckClips(_waves(data, rows), target, calibration, source)
    return _synthetic_clips(settings)


def _synthetic_clips(settings: TrainSettings) -> CheckClips:
    """Return the synthetic clips of two speakers, standardised as those of a run."""
    overrides = ["dataset=synthetic", "dataset.generate.speakers=2", "dataset.generate.sentences=4"]
    composition = compose("train", overrides).replaced({"cache_dir": settings.cache_dir})
    data = build_datamodule(dataclasses.replace(settings, dataset=composition.settings.dataset))
    data.prepare_data()
    waves = [data.cache.wave(row) for row in range(len(data.cache.index))]
    return CheckClips(waves, None, waves, "synthetic clips")


def _spread(rows: torch.Tensor, limit: int | None) -> torch.Tensor:
    """Return at most `limit` rows, evenly spaced."""
    if limit is None or len(rows) <= limit:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, limit).long()]


def _waves(data: EmotionDataModule, rows: torch.Tensor) -> list[Wave]:
    cache_rows = data.index.table["row"].to_numpy()[rows.numpy()]
    return [data.cache.wave(int(row)) for row in cache_rows]
