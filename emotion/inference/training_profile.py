"""A run's profile: kept in RUN/profile.json, measured on its own clips by the first who asks."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.audio.decode import decode
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import AudioError, RunError
from emotion.runs.run import Run
from emotion.runtime.base import EmotionModel
from emotion.runtime.out_of_distribution import Profile, Traits, describe, traits_of
from emotion.utils.files import write_json
from emotion.utils.progress import bars

log = logging.getLogger(__name__)

FILE = "profile.json"
CLIPS = 512
"""So many training clips, and so many validation clips, drawn evenly, are enough."""

FEWEST = 16
BATCH = 16


def open_profile(run: Run, open_network: Callable[[], EmotionModel]) -> Profile | None:
    """Return what a run's training clips are like; None where they are not here to be measured.

    Args:
        run: whose training clips.
        open_network: gives that run's network alone, where its clips must be measured.

    Raises:
        RunError: profile.json is damaged.
    """
    path = run.folder / FILE
    if path.is_file():
        try:
            return Profile.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as err:
            raise RunError(f"{path} is damaged ({err}). Delete it: it is made again.") from err
    profile = measure_profile(run, open_network)
    if profile is not None:
        try:
            write_json(path, profile.as_dict())
        except OSError as err:
            log.debug("%s cannot be kept (%s): it is measured again next time", path, err.strerror)
    return profile


def measure_profile(run: Run, open_network: Callable[[], EmotionModel]) -> Profile | None:
    """Return the profile of a run's clips; None where too few of them are on this disk."""
    root = Path(run.config["dataset.root"]).expanduser()
    split = run.split
    there = {part: _drawn(split, root, part) for part in (TRAIN, VAL)}
    if min(map(len, there.values())) < FEWEST:
        log.debug("no profile of %s: its clips are not under %s", run.folder, root)
        return None
    recogniser = open_network()
    count = sum(map(len, there.values()))
    log.info("measuring %d clips of %s once, to tell what is unlike them", count, run.folder)
    tell = bars("measuring")
    done = 0
    traits: list[Traits] = []
    embeddings: dict[str, npt.NDArray[Any]] = {}
    for part, paths in there.items():
        heard = []
        for some, embedding in _hear(paths, recogniser):
            heard.append(embedding)
            traits += some if part == TRAIN else []
            done += len(some)
            tell(min(done, count - 1), count)
        embeddings[part] = np.concatenate(heard)
    tell(count, count)
    return describe(
        traits,
        embeddings[TRAIN],
        embeddings[VAL],
        window_s=recogniser.window,
        model_rate=run.config["preprocessing.sample_rate"],
        priors=_learned(run, split),
    )


def _drawn(split: pd.DataFrame, root: Path, part: str) -> list[Path]:
    """Return clips of a subset, drawn evenly, as far as they are there."""
    names = split["path"][split["subset"] == part].to_numpy()
    places = np.linspace(0, len(names) - 1, min(CLIPS, len(names))).round().astype(int)
    paths = [root / name for name in names[places]]
    return [path for path in paths if path.is_file()]


def _hear(
    paths: list[Path], recogniser: EmotionModel
) -> Iterator[tuple[list[Traits], npt.NDArray[Any]]]:
    """Yield the traits and the embeddings, (N, D), of files, batch by batch."""
    for start in range(0, len(paths), BATCH):
        clips, traits = [], []
        for path in paths[start : start + BATCH]:
            try:
                wave, rate = decode(path)
            except AudioError as err:
                log.debug("%s %s", path, err)
                continue
            clips.append(recogniser.standardise(wave, rate))
            traits.append(traits_of(wave, rate))
        if clips:
            yield traits, recogniser.answer(clips).embedding


def _learned(run: Run, split: pd.DataFrame) -> dict[str, float]:
    """Return how frequent the classes were in training; the same for all where it weighed them."""
    if run.config.get("trainer.class_weights"):
        return {label: 1 / len(run.labels) for label in run.labels}
    shares = split["emotion"][split["subset"] == TRAIN].value_counts(normalize=True)
    return {label: float(shares.get(label, 0.0)) for label in run.labels}
