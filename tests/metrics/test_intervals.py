"""Intervals over speakers equal their formulas and have the promised coverage."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import balanced_accuracy_score

from emotion.errors import ConfigError
from emotion.metrics import classification as metrics
from emotion.metrics.intervals import (
    interval_over_speakers_and_seeds,
    seed_spread,
    speaker_confusions,
    speaker_interval,
)
from tests.support.speaker_population import (
    N_CLASSES,
    TARGET,
    clip_targets,
    coverage,
    intercepts,
    one_system,
    predictions,
    speaker_effects,
)

SEEDS = st.integers(0, 2**32 - 1)
interval = partial(speaker_interval, n_classes=N_CLASSES)


def columns(seed, n_speakers, own_mix=True):
    return one_system(np.random.default_rng(seed), n_speakers, own_mix=own_mix)


@given(SEEDS, st.integers(1, 9))
def test_speaker_confusions_are_each_speakers_own(seed, n_speakers):
    target, predicted, speaker = columns(seed, n_speakers)
    names = np.array([f"crema_d/{number:02}" for number in speaker])
    stack = speaker_confusions(target, predicted, names.tolist(), n_classes=N_CLASSES)
    each = [
        metrics.confusion_matrix(
            target[names == name], predicted[names == name], n_classes=N_CLASSES
        )
        for name in sorted(set(names))
    ]
    np.testing.assert_array_equal(stack, each)


@pytest.mark.parametrize(
    ("target", "predicted", "speaker"),
    [
        ([0, 6], [0, 0], ["a", "b"]),
        ([0, -1], [0, 0], ["a", "b"]),
        ([0, 1], [0, 1], ["a"]),
        ([0, 1], [0], ["a", "b"]),
        ([0.5], [0.0], ["a"]),
        (*np.empty((2, 0), dtype=int), []),
    ],
    ids=["not a class", "negative", "no speaker", "not predicted", "fractions", "no clips"],
)
def test_columns_that_do_not_fit_together_are_refused(target, predicted, speaker):
    with pytest.raises(ConfigError, match=r"one of each a clip.*ids from 0 to 5"):
        interval(target, predicted, speaker)


# The interval of one system


def literal_interval(target, predicted, speaker):
    """Return low and high of the documented formula, one deletion at a time."""

    def adjusted(keep):
        return (keep.sum() * balanced_accuracy_score(target[keep], predicted[keep]) + 0.5) / (
            keep.sum() + 1
        )

    everyone = np.ones(len(target), dtype=bool)
    centre = logit(adjusted(everyone))
    names = np.unique(speaker)
    squares = [(logit(adjusted(speaker != name)) - centre) ** 2 for name in names]
    error = np.sqrt((len(names) - 1) / len(names) * sum(squares))
    bounds = expit(stats.t.interval(0.95, len(names) - 1, centre, error))
    return np.clip((bounds * (len(target) + 1) - 0.5) / len(target), 0, 1)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(3, 9))
def test_interval_is_the_literal_jackknife(seed, n_speakers):
    target, predicted, speaker = columns(seed, n_speakers)
    found = interval(target, predicted, speaker)
    assert found.estimate == pytest.approx(balanced_accuracy_score(target, predicted))
    expected = literal_interval(target, predicted, speaker)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.n_clusters == n_speakers


@settings(deadline=None)
@given(SEEDS, st.integers(3, 9), st.sampled_from(["uar", "macro_f1", "accuracy"]))
def test_interval_contains_its_estimate_and_is_within_0_and_1(seed, n_speakers, name):
    rng = np.random.default_rng(seed)
    target, predicted, speaker = rng.integers(N_CLASSES, size=(3, 12))
    speaker = np.concatenate([np.arange(n_speakers), speaker])
    target, predicted = (np.resize(column, len(speaker)) for column in (target, predicted))
    found = interval(target, predicted, speaker, statistic=getattr(metrics, name))
    assert 0 <= found.low <= found.estimate + 1e-9
    assert found.estimate - 1e-9 <= found.high <= 1
    wider = interval(target, predicted, speaker, statistic=getattr(metrics, name), level=0.99)
    assert wider.low <= found.low
    assert wider.high >= found.high


def test_interval_does_not_depend_on_order_or_names_of_speakers():
    target, predicted, speaker = columns(0, 8)
    order = np.random.default_rng(1).permutation(len(speaker))
    renamed = np.array(list("hgfedcba"))[speaker]
    again = interval(target[order], predicted[order], renamed[order])
    expected = interval(target, predicted, speaker)
    assert (again.low, again.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("n_speakers", [1, 2])
def test_fewer_than_three_speakers_get_an_estimate_only(n_speakers):
    target, predicted, speaker = columns(0, n_speakers)
    found = interval(target, predicted, speaker)
    assert found.estimate == pytest.approx(balanced_accuracy_score(target, predicted))
    assert found.low is found.high is found.standard_error is None


def test_interval_of_a_test_without_errors_has_a_width():
    speaker = np.repeat(np.arange(4), 60)
    target = np.tile(TARGET, 4)
    found = interval(target, target, speaker)
    assert found.estimate == found.high == 1
    assert 0.98 < found.low < 0.995
    none = interval(target, (target + 1) % N_CLASSES, speaker)
    assert none.estimate == none.low == 0
    assert 0.005 < none.high < 0.02


def test_class_of_one_speaker_widens_the_interval():
    target, predicted, speaker = columns(3, 8, own_mix=False)
    predicted = np.where(target == 5, (target + 1) % N_CLASSES, predicted)  # all wrong
    rare = (target < 5) | (speaker == 0)
    everywhere = interval(target, predicted, speaker)
    once = interval(target[rare], predicted[rare], speaker[rare])
    assert once.high - once.low > 1.5 * (everywhere.high - everywhere.low)


def test_level_that_is_a_percentage_is_refused():
    with pytest.raises(ConfigError, match=r"level=95 must be between 0 and 1"):
        interval(*columns(0, 4), level=95)


@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_interval_has_95_percent_coverage(n_speakers):
    fraction = coverage(lambda rng: interval(*one_system(rng, n_speakers)), 0.65)
    assert 0.93 <= fraction <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("own_mix", [False, True], ids=["balanced", "own mix"])
@pytest.mark.parametrize("spread", [0.2, 0.7, 1.2])
@pytest.mark.parametrize("uar", [0.4, 0.65, 0.9])
@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_interval_covers_in_many_populations(n_speakers, uar, spread, own_mix):
    population = {"uar": uar, "spread": spread, "own_mix": own_mix}
    fraction = coverage(
        lambda rng: interval(*one_system(rng, n_speakers, **population)), uar, replicates=4000
    )
    assert 0.93 <= fraction <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [4, 8])
def test_interval_covers_where_one_speaker_has_all_of_a_class(n_speakers):
    def make(rng):
        target, predicted, speaker = one_system(rng, n_speakers)
        rare = (target < 5) | (speaker == 0)
        return interval(target[rare], predicted[rare], speaker[rare])

    assert 0.92 <= coverage(make, 0.65) <= 0.98


# Bootstrap intervals, for comparison


def percentile_interval(stacks):
    """Return the 95 % percentile interval of UAR from resampled confusions, (R, C, C)."""
    return np.quantile(metrics.uar(stacks), [0.025, 0.975])


def clip_bootstrap_interval(confusions, rng, draws=300):
    """Return the interval that treats clips as independent."""
    pooled = confusions.sum(axis=0)
    stacks = rng.multinomial(pooled.sum(), pooled.ravel() / pooled.sum(), size=draws)
    return percentile_interval(stacks.reshape(draws, N_CLASSES, N_CLASSES))


def percentile_speaker_bootstrap(confusions, rng, draws=300):
    """Return the interval that resamples speakers."""
    n_speakers = len(confusions)
    times = rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=draws)
    return percentile_interval(np.tensordot(times.astype(float), confusions, axes=1))


@pytest.mark.parametrize(
    ("method", "n_speakers", "at_most"),
    [
        (clip_bootstrap_interval, 4, 0.75),
        (clip_bootstrap_interval, 20, 0.75),
        (percentile_speaker_bootstrap, 4, 0.88),
        (percentile_speaker_bootstrap, 8, 0.93),
    ],
)
def test_bootstrap_intervals_are_too_narrow(method, n_speakers, at_most):
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        confusions = speaker_confusions(*one_system(rng, n_speakers), n_classes=N_CLASSES)
        low, high = method(confusions, rng)
        covered.append(low <= 0.65 <= high)
    assert np.mean(covered) < at_most


# Seeds


def test_one_seed_and_equal_seeds_are_the_interval_of_speakers():
    target, predicted, speaker = columns(0, 6)
    alone = interval(target, predicted, speaker)
    for n_seeds in (1, 4):
        found = interval_over_speakers_and_seeds(
            target, [predicted] * n_seeds, speaker, n_classes=N_CLASSES
        )
        assert (found.estimate, found.low, found.high) == pytest.approx(
            (alone.estimate, alone.low, alone.high)
        )
    assert "4 seeds" in found.method


def test_seeds_add_their_variance_to_that_of_speakers():
    rng = np.random.default_rng(0)
    target, predicted, speaker = one_system(rng, 6)
    worse = np.where(rng.random(len(target)) < 0.3, (target + 1) % N_CLASSES, predicted)
    stacks = [
        speaker_confusions(target, each, speaker, n_classes=N_CLASSES)
        for each in (predicted, worse)
    ]
    found = interval_over_speakers_and_seeds(
        target, [predicted, worse], speaker, n_classes=N_CLASSES
    )
    by_seed = [metrics.uar(stack.sum(axis=0)) for stack in stacks]
    assert found.estimate == pytest.approx(np.mean(by_seed))

    def to_logit(fraction, n_clips):
        return logit((fraction * n_clips + 0.5) / (n_clips + 1))

    left = [
        np.mean([metrics.uar(stack.sum(axis=0) - stack[index]) for stack in stacks])
        for index in range(6)
    ]
    centre = to_logit(found.estimate, 360)
    speakers = 5 / 6 * np.sum((to_logit(np.array(left), 300) - centre) ** 2)
    seeds = np.var(to_logit(np.array(by_seed), 360), ddof=1) / 2
    df = (speakers + seeds) ** 2 / (speakers**2 / 5 + seeds**2 / 1)
    high = expit(centre + stats.t.ppf(0.975, df) * np.sqrt(speakers + seeds))
    assert found.high == pytest.approx((high * 361 - 0.5) / 360)


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.02, 0.2])
@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_interval_over_seeds_covers(n_speakers, seed_sd):
    spread = np.hypot(0.7, seed_sd)
    speaker = np.repeat(np.arange(n_speakers), 60)

    def make(rng):
        target = clip_targets(rng, n_speakers)
        logits = intercepts(0.65, spread) + speaker_effects(rng, n_speakers, 0.7)[0]
        predicted = [
            predictions(rng, logits + shift, target, speaker)
            for shift in seed_sd * rng.standard_normal(5)
        ]
        return interval_over_speakers_and_seeds(target, predicted, speaker, n_classes=N_CLASSES)

    assert 0.93 <= coverage(make, 0.65) <= 0.98  # both variances are overestimated


def test_seed_spread_is_mean_and_deviation():
    spread = seed_spread([0.5, 0.6, 0.7])
    assert (spread.mean, spread.sd, spread.n) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    assert seed_spread([0.5]).sd is None
    with pytest.raises(ConfigError, match="at least one seed"):
        seed_spread([])
    with pytest.raises(ConfigError, match="at least one seed"):
        interval_over_speakers_and_seeds([0], [], ["a"], n_classes=2)


def test_an_unknown_speaker_is_no_cluster_and_leaves_no_interval() -> None:
    speaker = np.repeat(["a", "b", "c", "d", ""], 4)
    target = np.tile([0, 1], 10)
    found = speaker_interval(target, target, speaker, n_classes=2)
    assert (found.estimate, found.low, found.high, found.n_clusters) == (1.0, None, None, 4)
    known = speaker != ""
    assert speaker_interval(target[known], target[known], speaker[known], n_classes=2).low
