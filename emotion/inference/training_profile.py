"""Profile of a run's training clips, for the note «unlike training»; cached in RUN/profile.json."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.audio.decode import decode_segment
from emotion.data.segments import clip_times
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import AudioError, RunError
from emotion.runs.run import Run
from emotion.runtime.base import EmotionModel
from emotion.runtime.out_of_distribution import (
    ClipTraits,
    TrainingProfile,
    fit_training_profile,
    measure_traits,
)
from emotion.utils.files import write_json
from emotion.utils.progress import progress_bar

log = logging.getLogger(__name__)

FILE = "profile.json"
MAX_CLIPS, MIN_CLIPS = 512, 16
"""Of the training clips and of the validation clips: the most that are used, and the least."""

BATCH_SIZE = 16

Clip = tuple[Path, float, float]  # start and end in seconds


def load_or_compute_profile(
    run: Run, open_network: Callable[[], EmotionModel]
) -> TrainingProfile | None:
    """Return the profile of a run's training clips; compute and save it if missing.

    It is None if the run's clips are not on this machine. `open_network` returns the run's model;
    it is called only to compute the profile.

    Raises:
        RunError: profile.json is damaged.
    """
    path = run.folder / FILE
    if path.is_file():
        try:
            return TrainingProfile.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as err:
            raise RunError(
                f"{path} is damaged ({err}). Delete it; it will be computed again."
            ) from err
    profile = compute_profile(run, open_network)
    if profile is not None:
        try:
            write_json(path, profile.as_dict())
        except OSError as err:
            log.debug("%s cannot be written (%s)", path, err.strerror)
    return profile


def compute_profile(run: Run, open_network: Callable[[], EmotionModel]) -> TrainingProfile | None:
    """Return the profile of a run's clips, or None if too few of them are on this machine."""
    root = run.clips_root
    split = run.split
    clips = {subset: _sample_clips(split, root, subset) for subset in (TRAIN, VAL)}
    if min(map(len, clips.values())) < MIN_CLIPS:
        log.debug("no profile of %s: its clips are not under %s", run.folder, root)
        return None
    model = open_network()
    log.info("computing the profile of %s once", run.folder)
    traits, embeddings = _measure_clips(clips[TRAIN], model, "train")
    _, held_out = _measure_clips(clips[VAL], model, "val")
    return fit_training_profile(
        traits,
        embeddings,
        held_out,
        window_s=model.window_s,
        model_rate=run.settings.preprocessing["sample_rate"],
        priors=_training_priors(run, split),
    )


def _sample_clips(split: pd.DataFrame, root: Path, subset: str) -> list[Clip]:
    """Return at most MAX_CLIPS evenly spaced clips of a subset; missing files are left out."""
    rows = split[split["subset"] == subset].to_dict("records")
    indices = np.linspace(0, len(rows) - 1, min(MAX_CLIPS, len(rows))).round().astype(int)
    clips = [(root / rows[index]["path"], *clip_times(rows[index])) for index in indices]
    return [clip for clip in clips if clip[0].is_file()]


def _measure_clips(
    sampled: Sequence[Clip], model: EmotionModel, name: str
) -> tuple[list[ClipTraits], npt.NDArray[Any]]:
    """Return the traits and the embeddings, (N, D), of the readable clips."""
    update = progress_bar(f"profile, {name}")
    traits: list[ClipTraits] = []
    embeddings = []
    for start in range(0, len(sampled), BATCH_SIZE):
        clips = []
        for path, *times in sampled[start : start + BATCH_SIZE]:
            try:
                wave, rate = decode_segment(path, *times)
            except AudioError as err:
                log.debug("%s %s", path, err)
                continue
            clips.append(model.standardise(wave, rate))
            traits.append(measure_traits(wave, rate))
        if clips:
            embeddings.append(model.infer(clips).embedding)
        update(min(start + BATCH_SIZE, len(sampled)), len(sampled))
    return traits, np.concatenate(embeddings)


def _training_priors(run: Run, split: pd.DataFrame) -> dict[str, float]:
    """Return the class frequencies in training; uniform if the loss used class weights."""
    if run.settings.trainer.class_weights:
        return {label: 1 / len(run.labels) for label in run.labels}
    fractions = split["emotion"][split["subset"] == TRAIN].value_counts(normalize=True)
    return {label: float(fractions.get(label, 0.0)) for label in run.labels}
