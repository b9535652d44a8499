"""Confidence intervals over speakers: clips of one speaker are alike, so speakers are the sample.

All of it rests on confusion matrices by speaker, (G, C, C). A statistic is a function of counts,
(…, C, C) -> (…), such as those of `emotion.metrics.classification`. Speakers need names that are
unique over corpora; an empty name is an unknown speaker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtrit

from emotion.errors import ConfigError
from emotion.metrics.classification import Array, Counts, uar

Column = Sequence[Any] | npt.NDArray[Any]
Statistic = Callable[[Counts], Array]

MIN_SPEAKERS = 3
"""Fewer speakers get no interval: with two, t has one degree of freedom and is uninformative."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval from `n_clusters` speakers.

    `low`, `high` and `standard_error` are None below three speakers and where a speaker is unknown;
    `method` names the method.
    """

    estimate: float
    low: float | None
    high: float | None
    n_clusters: int
    method: str
    standard_error: float | None = None


def speaker_confusions(
    target: Column, predicted: Column, speaker: Column, *, n_classes: int
) -> Counts:
    """Return the confusion matrix of each speaker, (G, C, C) int64, in the order of their names.

    Raises:
        ConfigError: an id is not a class, the columns differ in length, or there are no clips.
    """
    names, group = np.unique(np.asarray(speaker), return_inverse=True)
    shape = (len(names), n_classes, n_classes)
    try:
        if not len(target) == len(predicted) == len(group) > 0:
            raise ValueError(f"lengths {len(target)}, {len(predicted)}, {len(group)}")
        cells = np.ravel_multi_index((group, np.asarray(target), np.asarray(predicted)), shape)
    except (TypeError, ValueError) as err:
        raise ConfigError(
            f"target, predicted and speaker do not fit together: {err}. Give one of each a clip, "
            f"the first two as ids from 0 to {n_classes - 1}."
        ) from err
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def speaker_interval(
    target: Column,
    predicted: Column,
    speaker: Column,
    *,
    n_classes: int,
    statistic: Statistic = uar,
    level: float = 0.95,
) -> Interval:
    """Return a statistic in [0, 1] and its interval over speakers, from (N,) columns.

    The delete-one-speaker jackknife (Efron & Stein, Ann. Statist. 1981) of the logit, which is
    less skewed near 0 and 1, with t at G - 1 degrees. Half a clip is added on either side (Haldane,
    Ann. Hum. Genet. 1956), so that a test without errors has a width. A deletion that empties a
    class averages over the others. Simulated coverage is 93 to 97 % at 4 to 20 speakers and UAR .4
    to .9; about 90 % where one or two of 20 speakers have all of a class, 83 to 99 % above UAR .98.
    """
    return interval_over_speakers_and_seeds(
        target, [predicted], speaker, n_classes=n_classes, statistic=statistic, level=level
    )


def interval_over_speakers_and_seeds(
    target: Column,
    predicted_by_seed: Sequence[Column],
    speaker: Column,
    *,
    n_classes: int,
    statistic: Statistic = uar,
    level: float = 0.95,
) -> Interval:
    """Return the mean over S seeds of a statistic, and its interval over speakers and seeds.

    Each seed's predictions, (N,), are of the same clips. On the logit scale of `speaker_interval`
    two variances add up: the speaker jackknife of the mean, and that between seeds over S, with
    Satterthwaite's degrees of freedom (Biometrics Bull. 1946). One seed has only the first.
    """
    if not len(predicted_by_seed):
        raise ConfigError("predicted_by_seed is empty. Give the predictions of at least one seed.")
    count = partial(speaker_confusions, target, speaker=speaker, n_classes=n_classes)
    confusions = np.stack([count(predicted) for predicted in predicted_by_seed])  # (S, G, C, C)
    total = confusions.sum(axis=1)
    n_seeds, n_speakers = confusions.shape[:2]
    by_seed = statistic(total)  # (S,)
    estimate = float(by_seed.mean())
    if has_unknown(speaker):
        return no_interval(estimate, n_speakers - 1)
    if n_speakers < MIN_SPEAKERS:
        return no_interval(estimate, n_speakers)

    rest = total[:, None] - confusions  # (S, G, C, C), each without a speaker
    n_clips, n_rest = total[0].sum(), rest[0].sum(axis=(-2, -1))
    centre = _to_logit(estimate, n_clips)
    speakers = jackknife_variance(centre, _to_logit(statistic(rest).mean(axis=0), n_rest))
    seeds, df, method = 0.0, n_speakers - 1.0, "speaker jackknife of the logit"
    if n_seeds > 1:
        seeds = _to_logit(by_seed, n_clips).var(ddof=1) / n_seeds
        method += f" and the variance between {n_seeds} seeds"
    if seeds > 0:
        df = (speakers + seeds) ** 2 / (speakers**2 / df + seeds**2 / (n_seeds - 1))
    error = np.sqrt(speakers + seeds)
    margin = t_quantile(level, df) * error
    low, high = (_from_logit(bound, n_clips) for bound in (centre - margin, centre + margin))
    method += f", t with {df:.3g} degrees of freedom"
    standard_error = float(error * expit(centre) * expit(-centre))
    return Interval(estimate, low, high, n_speakers, method, standard_error)


@dataclass(frozen=True)
class SeedSpread:
    """Mean and standard deviation (over n - 1; None for one seed) of a metric over n seeds."""

    mean: float
    sd: float | None
    n: int


def seed_spread(values: Column) -> SeedSpread:
    """Return the spread of a metric, (S,), over seeds, which ignores variation over speakers.

    Raises:
        ConfigError: there are no values.
    """
    if not len(values):
        raise ConfigError("values is empty. Give the metric of at least one seed.")
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return SeedSpread(mean=float(np.mean(values)), sd=sd, n=len(values))


def has_unknown(speaker: Column) -> bool:
    """Return whether a clip has an unknown speaker: an empty name. Such clips are no cluster."""
    return any(isinstance(name, str) and not name for name in speaker)


def no_interval(estimate: float, n_speakers: int) -> Interval:
    """Return an estimate without bounds, for too few known speakers."""
    return Interval(estimate, None, None, n_speakers, f"none: fewer than {MIN_SPEAKERS} speakers")


def jackknife_variance(estimate: float, left_out: Array) -> float:
    """Return (G - 1) / G · Σ (left_out - estimate)² of (G,) estimates that each lack a speaker."""
    return float((1 - 1 / len(left_out)) * ((left_out - estimate) ** 2).sum())


def t_quantile(level: float, df: float) -> float:
    """Return the quantile of Student's t that bounds a two-sided interval of this level."""
    if not 0 < level < 1:
        raise ConfigError(f"level={level} must be between 0 and 1: 0.95 for a 95 % interval.")
    return float(stdtrit(df, (1 + level) / 2))


def _to_logit(fraction: Any, n_clips: Any) -> Any:
    """Return the logit of a fraction of n clips, with half a clip added on either side."""
    return logit((fraction * n_clips + 0.5) / (n_clips + 1))


def _from_logit(value: float, n_clips: int) -> float:
    """Return the fraction with this logit, the inverse of `_to_logit`, cut to [0, 1]."""
    return float(np.clip((expit(value) * (n_clips + 1) - 0.5) / n_clips, 0, 1))
