"""Paired tests over speakers equal their formulas, and keep their size and power."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from emotion.errors import ConfigError
from emotion.metrics import classification as metrics
from emotion.metrics import significance
from emotion.metrics.intervals import speaker_confusions
from emotion.metrics.significance import (
    holm,
    mcnemar,
    paired_difference,
    sign_flip_test,
    smallest_detectable_difference,
)
from tests.support.speaker_population import N_CLASSES, TARGET, coverage, two_systems

SEEDS = st.integers(0, 2**32 - 1)


def difference(target, a, b, speaker):
    return paired_difference(target, a, predicted_b=b, speaker=speaker, n_classes=N_CLASSES)


def stacks_of(target, a, b, speaker):
    count = partial(speaker_confusions, target, speaker=speaker, n_classes=N_CLASSES)
    return count(a), count(b)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(3, 9))
def test_difference_is_the_literal_jackknife(seed, n_speakers):
    target, a, b, speaker = two_systems(np.random.default_rng(seed), n_speakers)

    def gain(keep):
        of_a = balanced_accuracy_score(target[keep], a[keep])
        return of_a - balanced_accuracy_score(target[keep], b[keep])

    found = difference(target, a, b, speaker)
    estimate = gain(speaker >= 0)
    squares = [(gain(speaker != name) - estimate) ** 2 for name in range(n_speakers)]
    error = np.sqrt((n_speakers - 1) / n_speakers * sum(squares))
    bounds = np.clip(stats.t.interval(0.95, n_speakers - 1, estimate, error), -1, 1)
    assert (found.estimate, found.standard_error) == pytest.approx((estimate, error))
    assert (found.low, found.high) == pytest.approx(tuple(bounds))
    swapped = difference(target, b, a, speaker)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


def test_equal_predictions_have_no_difference():
    target, a, _, speaker = two_systems(np.random.default_rng(0), 5)
    found = difference(target, a, a, speaker)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)
    assert sign_flip_test(*stacks_of(target, a, a, speaker)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("uar", [0.4, 0.65, 0.88])
@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_difference_covers(n_speakers, uar):
    fraction = coverage(
        lambda rng: difference(*two_systems(rng, n_speakers, uar=uar, gain=0.04)), -0.04
    )
    assert 0.93 <= fraction <= 0.97


def test_smallest_detectable_difference_is_its_formula():
    found = difference(*two_systems(np.random.default_rng(0), 20))
    expected = (stats.t.ppf(0.975, 19) + stats.t.ppf(0.8, 19)) * found.standard_error
    assert smallest_detectable_difference(found) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [8, 20])
def test_smallest_detectable_difference_has_80_percent_power(n_speakers):
    rng = np.random.default_rng(0)  # about a UAR of .5, where variance changes least with the gain
    ties = (difference(*two_systems(rng, n_speakers, uar=0.5)) for _ in range(500))
    gain = np.sqrt(np.mean([smallest_detectable_difference(tie) ** 2 for tie in ties]))
    found = [
        difference(*two_systems(rng, n_speakers, uar=0.5 - gain / 2, gain=gain)).high < 0
        for _ in range(1000)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("statistic", [metrics.uar, metrics.macro_f1], ids=["uar", "macro_f1"])
@pytest.mark.parametrize("n_speakers", [1, 2, 7])
def test_sign_flip_tries_every_swap_of_whole_speakers(n_speakers, statistic):
    a, b = stacks_of(*two_systems(np.random.default_rng(n_speakers), n_speakers, gain=0.05))

    def gap(swaps):
        one = sum(b[index] if swap else a[index] for index, swap in enumerate(swaps))
        other = sum(a[index] if swap else b[index] for index, swap in enumerate(swaps))
        return abs(statistic(one) - statistic(other))

    observed = gap([False] * n_speakers)
    gaps = [gap(swaps) for swaps in product([False, True], repeat=n_speakers)]
    expected = np.mean(np.array(gaps) >= observed - 1e-9)
    assert sign_flip_test(a, b, statistic=statistic) == expected


@pytest.mark.parametrize("n_speakers", range(1, 11))
def test_sign_flip_cannot_reject_below_six_speakers(n_speakers):
    target, speaker = np.tile(TARGET, n_speakers), np.repeat(np.arange(n_speakers), 60)
    stacks = stacks_of(target, target, (target + 1) % N_CLASSES, speaker)
    p = sign_flip_test(*stacks)
    assert p == 2 / 2**n_speakers  # only no flip and all flips are as extreme
    assert (p < 0.05) == (n_speakers >= 6)


def test_random_flips_agree_with_all_flips(monkeypatch):
    stacks = stacks_of(*two_systems(np.random.default_rng(0), 12, gain=0.03))
    exact = sign_flip_test(*stacks)
    assert 0.02 < exact < 0.98
    monkeypatch.setattr(significance, "EXACT_SPEAKERS", 3)
    drawn = sign_flip_test(*stacks)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000))
    assert drawn == sign_flip_test(*stacks) != sign_flip_test(*stacks, seed=1)


def test_random_flips_never_say_zero():
    target, speaker = np.tile(TARGET, 40), np.repeat(np.arange(40), 60)
    stacks = stacks_of(target, target, (target + 1) % N_CLASSES, speaker)
    assert sign_flip_test(*stacks) == 1 / 10_001


def test_predictions_of_different_clips_are_refused():
    a, b = stacks_of(*two_systems(np.random.default_rng(0), 6))
    changed = b.copy()
    changed[0, [0, 1], 0] += [-1, 1]  # a clip of another class
    for other in (b[:5], changed, b[:, :5, :5]):
        with pytest.raises(ConfigError, match="predictions for different clips"):
            sign_flip_test(a, other)


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [8, 20])
def test_sign_flip_keeps_its_size_where_mcnemar_does_not(n_speakers):
    rng = np.random.default_rng(0)
    sign_flip, clipwise = [], []
    for _ in range(1000):
        target, a, b, speaker = two_systems(rng, n_speakers)
        sign_flip.append(sign_flip_test(*stacks_of(target, a, b, speaker)))
        clipwise.append(mcnemar(a == target, b == target))
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert 0.03 <= np.mean(np.array(sign_flip) <= 0.05) <= allowed
    assert np.mean(np.array(clipwise) <= 0.05) > 0.1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_binomial_test_of_clips_where_one_is_correct(pairs):
    a, b = np.array(pairs).T
    differ = int((a != b).sum())
    expected = stats.binomtest(int((a & ~b).sum()), differ).pvalue if differ else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)


def test_holm_of_a_small_example():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(  # few examples: multipletests runs the garbage collector at every call
    "p_values",
    [
        [],
        [np.nan],
        [0.02, np.nan, 0.02, 0.9, np.nan, 1.0, 0.0],
        np.random.default_rng(0).beta(0.5, 3, size=12),
    ],
    ids=["none", "nan", "ties", "twelve"],
)
def test_holm_equals_its_closed_form_and_ignores_nan(p_values):
    adjusted = holm(p_values)
    p = np.array(p_values, dtype=float)
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(p))
    known = p[~np.isnan(p)]
    steps = np.sort(known) * np.arange(len(known), 0, -1)
    expected = np.minimum(np.maximum.accumulate(steps), 1)[np.argsort(np.argsort(known))]
    np.testing.assert_allclose(adjusted[~np.isnan(p)], expected)


@pytest.mark.parametrize("n_speakers", [1, 2])
def test_fewer_than_three_speakers_get_no_interval_of_the_difference(n_speakers):
    found = difference(*two_systems(np.random.default_rng(0), n_speakers))
    assert found.low is found.high is None
    assert smallest_detectable_difference(found) is None
