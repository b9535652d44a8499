"""Paired tests between two systems over the same speakers."""

import numpy as np
from scipy.special import stdtrit

from emotion.errors import ConfigError
from emotion.metrics.classification import Array, Counts, uar
from emotion.metrics.intervals import (
    MIN_SPEAKERS,
    Column,
    Interval,
    Statistic,
    has_unknown,
    jackknife_variance,
    no_interval,
    speaker_confusions,
    t_quantile,
)

EXACT_SPEAKERS = 14
"""Up to this number `sign_flip_test` tries all flips: 16,384, about as many as `FLIPS`."""

FLIPS = 10_000
"""Random flips for more speakers: the standard error at p = .05 is .002."""


def paired_difference(
    target: Column,
    predicted_a: Column,
    *,
    predicted_b: Column,
    speaker: Column,
    n_classes: int,
    statistic: Statistic = uar,
    level: float = 0.95,
) -> Interval:
    """Return statistic(a) - statistic(b) of two systems on the same N clips, over speakers.

    The delete-one-speaker jackknife of the difference with t at G - 1 degrees, cut to [-1, 1]. Two
    systems with equal predictions get [0, 0].
    """
    a = speaker_confusions(target, predicted_a, speaker, n_classes=n_classes)
    b = speaker_confusions(target, predicted_b, speaker, n_classes=n_classes)
    all_a, all_b, n_speakers = a.sum(axis=0), b.sum(axis=0), len(a)
    estimate = float(statistic(all_a) - statistic(all_b))
    if has_unknown(speaker):
        return no_interval(estimate, n_speakers - 1)
    if n_speakers < MIN_SPEAKERS:
        return no_interval(estimate, n_speakers)
    left_out = statistic(all_a - a) - statistic(all_b - b)  # (G,)
    error = float(np.sqrt(jackknife_variance(estimate, left_out)))
    margin = t_quantile(level, n_speakers - 1) * error
    low, high = max(-1.0, estimate - margin), min(1.0, estimate + margin)
    method = f"speaker jackknife, t with {n_speakers - 1} degrees of freedom"
    return Interval(estimate, low, high, n_speakers, method, error)


def smallest_detectable_difference(
    difference: Interval, *, power: float = 0.8, level: float = 0.95
) -> float | None:
    """Return the true difference that these speakers would show with this power.

    (t_(1+level)/2 + t_power) · standard error, both t at G - 1 degrees (Bloom, Eval. Rev. 1995),
    of a `paired_difference`; None where that has no standard error.
    """
    if difference.standard_error is None:
        return None
    df = difference.n_clusters - 1
    return float((t_quantile(level, df) + stdtrit(df, power)) * difference.standard_error)


def sign_flip_test(
    confusions_a: Counts, confusions_b: Counts, *, statistic: Statistic = uar, seed: int = 0
) -> float:
    """Return the two-sided p that two systems are exchangeable, from two (G, C, C) of one test set.

    A flip swaps the systems in a whole speaker; the statistics are those of the pooled counts
    after it (Winkler et al., NeuroImage 2014). All 2^G flips up to `EXACT_SPEAKERS`, else `FLIPS`
    random ones and (count + 1) / (FLIPS + 1) (Phipson & Smyth, SAGMB 2010). As p is at least
    2 / 2^G, it cannot reject at 5 % below six speakers.

    Raises:
        ConfigError: the counts are not of the same clips.
    """
    if not np.array_equal(confusions_a.sum(axis=-1), confusions_b.sum(axis=-1)):
        raise ConfigError(
            "the two systems have predictions for different clips. Keep the clips that both have, "
            "and count both with the same speakers and n_classes."
        )
    n_speakers = len(confusions_a)
    if exact := n_speakers <= EXACT_SPEAKERS:
        flips = np.arange(2**n_speakers)[:, None] >> np.arange(n_speakers) & 1  # (F, G)
    else:
        flips = np.random.default_rng(seed).integers(2, size=(FLIPS, n_speakers))
    change = np.tensordot(
        flips.astype(np.float64), confusions_b - confusions_a, axes=1
    )  # (F, C, C)
    all_a, all_b = confusions_a.sum(axis=0), confusions_b.sum(axis=0)
    observed = np.abs(statistic(all_a) - statistic(all_b))
    flipped = np.abs(statistic(all_a + change) - statistic(all_b - change))  # (F,)
    extreme = int((flipped >= observed - 1e-12).sum())  # ties differ by rounding
    return extreme / len(flips) if exact else (extreme + 1) / (len(flips) + 1)


def mcnemar(correct_a: Column, correct_b: Column) -> float:
    """Return the exact McNemar p that two systems are equally accurate, from (N,) booleans.

    For information only: it ignores speakers, and so rejects true ties too often.
    """
    from statsmodels.stats import contingency_tables

    cells = 2 * np.asarray(correct_a, dtype=int) + np.asarray(correct_b, dtype=int)
    table = np.bincount(cells, minlength=4).reshape(2, 2)
    return float(contingency_tables.mcnemar(table, exact=True).pvalue)


def holm(p_values: Column) -> Array:
    """Return (K,) p values adjusted for K comparisons (Holm, Scand. J. Statist. 1979).

    NaN, an impossible comparison, stays NaN and does not count.
    """
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p_values, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted
