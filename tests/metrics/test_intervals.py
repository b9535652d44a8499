from functools import cache, partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.metrics import balanced_accuracy_score

from emotion.errors import ConfigError
from emotion.metrics import classification as metrics
from emotion.metrics import significance
from emotion.metrics.intervals import (
    interval_over_speakers_and_seeds,
    seed_spread,
    speaker_confusions,
    speaker_interval,
)
from emotion.metrics.significance import (
    holm,
    mcnemar,
    paired_difference,
    sign_flip_test,
    smallest_detectable_difference,
)

N_CLASSES = 6
OFFSETS = np.linspace(-0.5, 0.5, N_CLASSES)
"""How much easier than the mean each class is, in logits."""

TARGET = np.repeat(np.arange(N_CLASSES), 10)
"""The 60 clips of a speaker who says every class equally often."""

SEEDS = st.integers(0, 2**32 - 1)
interval = partial(speaker_interval, n_classes=N_CLASSES)


# A population of speakers. How well a system does on a class of a speaker is a logit: the mean of
# the class, plus what this speaker has, plus what this speaker has in this class. Half the variance
# of `spread` is each. A clip is then right or wrong by that chance, and wrong in any other class.


@cache
def intercepts(uar, spread):
    """Return the mean logit of each class, (C,), where the population's expected UAR is `uar`."""
    points, weights = np.polynomial.hermite_e.hermegauss(61)

    def expected(middle):
        chance = expit(middle + OFFSETS[:, None] + spread * points)
        return (chance @ weights).mean() / weights.sum()

    return OFFSETS + brentq(lambda middle: expected(middle) - uar, -10, 10)


def speaker_effects(rng, n_speakers, spread, n_systems=1):
    """Return logits, (systems, G, C), to add."""
    whole = rng.standard_normal((n_systems, n_speakers, 1))
    by_class = rng.standard_normal((n_systems, n_speakers, N_CLASSES))
    return spread * (whole + by_class) / np.sqrt(2)


def clip_targets(rng, n_speakers, own_mix=False):
    """Return targets, (G · 60,): ten a class, or by a mix of classes that is the speaker's own."""
    if not own_mix:
        return np.tile(TARGET, n_speakers)
    mixes = rng.dirichlet(np.full(N_CLASSES, 1.5), size=(n_speakers, 1))
    draws = rng.random((n_speakers, 60, 1))
    return (draws > mixes.cumsum(axis=-1)[..., :-1]).sum(axis=-1).ravel()


def predict(rng, logits, target, speaker):
    """Return predictions, (N,), of one system with logits (G, C)."""
    right = rng.random(len(target)) < expit(logits)[speaker, target]
    return np.where(right, target, (target + rng.integers(1, N_CLASSES, len(target))) % N_CLASSES)


def one_system(rng, n_speakers, *, uar=0.65, spread=0.7, own_mix=False):
    """Return target, predicted and speaker, (G · 60,) each."""
    speaker = np.repeat(np.arange(n_speakers), 60)
    target = clip_targets(rng, n_speakers, own_mix)
    logits = intercepts(uar, spread) + speaker_effects(rng, n_speakers, spread)[0]
    return target, predict(rng, logits, target, speaker), speaker


def two_systems(rng, n_speakers, *, gain=0.0, uar=0.65, spread=0.7):
    """Return target, two predictions and speaker: half of the variance is common to both systems.

    `gain` is how much b's expected UAR lies above a's.
    """
    speaker = np.repeat(np.arange(n_speakers), 60)
    target = clip_targets(rng, n_speakers)
    common, own_a, own_b = speaker_effects(rng, n_speakers, spread / np.sqrt(2), n_systems=3)
    a = predict(rng, intercepts(uar, spread) + common + own_a, target, speaker)
    b = predict(rng, intercepts(uar + gain, spread) + common + own_b, target, speaker)
    return target, a, b, speaker


def coverage(make, truth, *, replicates=2000, seed=0):
    """Return how often the interval that `make(rng)` gives holds the truth."""
    rng = np.random.default_rng(seed)
    made = (make(rng) for _ in range(replicates))
    return np.mean([each.low <= truth <= each.high for each in made])


def columns(seed, n_speakers, own_mix=True):
    return one_system(np.random.default_rng(seed), n_speakers, own_mix=own_mix)


# Counting and bookkeeping


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
    ids=["no class", "negative", "no speaker", "not predicted", "fractions", "no clips"],
)
def test_columns_that_do_not_describe_clips_are_refused(target, predicted, speaker):
    with pytest.raises(ConfigError, match=r"one of each a clip.*ids from 0 to 5"):
        interval(target, predicted, speaker)


# The interval of one system


def literal_interval(target, predicted, speaker):
    """Return low and high of the documented formula, by the book and one deletion at a time."""

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
def test_interval_holds_its_estimate_and_fits_into_a_share(seed, n_speakers, name):
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


def test_interval_knows_speakers_by_name_and_not_by_order():
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
    pair = paired_difference(
        target, predicted, predicted_b=target, speaker=speaker, n_classes=N_CLASSES
    )
    assert pair.low is None
    assert smallest_detectable_difference(pair) is None


def test_faultless_test_does_not_claim_certainty():
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
    predicted = np.where(target == 5, (target + 1) % N_CLASSES, predicted)  # a class of its own
    rare = (target < 5) | (speaker == 0)
    everywhere = interval(target, predicted, speaker)
    once = interval(target[rare], predicted[rare], speaker[rare])
    assert once.high - once.low > 1.5 * (everywhere.high - everywhere.low)


def test_level_that_is_a_percentage_is_refused():
    with pytest.raises(ConfigError, match=r"level=95 must lie between 0 and 1"):
        interval(*columns(0, 4), level=95)


@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_interval_covers_nineteen_times_in_twenty(n_speakers):
    held = coverage(lambda rng: interval(*one_system(rng, n_speakers)), 0.65)
    assert 0.93 <= held <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("own_mix", [False, True], ids=["balanced", "own mix"])
@pytest.mark.parametrize("spread", [0.2, 0.7, 1.2])
@pytest.mark.parametrize("uar", [0.4, 0.65, 0.9])
@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_interval_covers_in_many_populations(n_speakers, uar, spread, own_mix):
    population = {"uar": uar, "spread": spread, "own_mix": own_mix}
    held = coverage(
        lambda rng: interval(*one_system(rng, n_speakers, **population)), uar, replicates=4000
    )
    assert 0.93 <= held <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [4, 8])
def test_interval_covers_where_one_speaker_has_all_of_a_class(n_speakers):
    def make(rng):
        target, predicted, speaker = one_system(rng, n_speakers)
        rare = (target < 5) | (speaker == 0)
        return interval(target[rare], predicted[rare], speaker[rare])

    assert 0.92 <= coverage(make, 0.65) <= 0.98


# Why not the usual ones


def percentile_interval(stacks):
    """Return the 95 % percentile interval of UAR from resampled confusions, (R, C, C)."""
    return np.quantile(metrics.uar(stacks), [0.025, 0.975])


def clip_bootstrap_interval(confusions, rng, draws=300):
    """Return the interval that takes clips for independent."""
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
def test_bootstraps_promise_too_much(method, n_speakers, at_most):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        confusions = speaker_confusions(*one_system(rng, n_speakers), n_classes=N_CLASSES)
        low, high = method(confusions, rng)
        held.append(low <= 0.65 <= high)
    assert np.mean(held) < at_most


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

    def to_logit(share, n_clips):
        return logit((share * n_clips + 0.5) / (n_clips + 1))

    left = [
        np.mean([metrics.uar(stack.sum(axis=0) - stack[place]) for stack in stacks])
        for place in range(6)
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
            predict(rng, logits + shift, target, speaker)
            for shift in seed_sd * rng.standard_normal(5)
        ]
        return interval_over_speakers_and_seeds(target, predicted, speaker, n_classes=N_CLASSES)

    assert 0.93 <= coverage(make, 0.65) <= 0.98  # two variances are both estimated from above


def test_seed_spread_is_mean_and_deviation():
    spread = seed_spread([0.5, 0.6, 0.7])
    assert (spread.mean, spread.sd, spread.n) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    assert seed_spread([0.5]).sd is None
    with pytest.raises(ConfigError, match="at least one seed"):
        seed_spread([])
    with pytest.raises(ConfigError, match="at least one seed"):
        interval_over_speakers_and_seeds([0], [], ["a"], n_classes=2)


# Two systems


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


def test_same_predictions_differ_by_nothing():
    target, a, _, speaker = two_systems(np.random.default_rng(0), 5)
    found = difference(target, a, a, speaker)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)
    assert sign_flip_test(*stacks_of(target, a, a, speaker)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("uar", [0.4, 0.65, 0.88])
@pytest.mark.parametrize("n_speakers", [4, 8, 20])
def test_difference_covers(n_speakers, uar):
    held = coverage(
        lambda rng: difference(*two_systems(rng, n_speakers, uar=uar, gain=0.04)), -0.04
    )
    assert 0.93 <= held <= 0.97


def test_smallest_detectable_difference_is_its_formula():
    found = difference(*two_systems(np.random.default_rng(0), 20))
    expected = (stats.t.ppf(0.975, 19) + stats.t.ppf(0.8, 19)) * found.standard_error
    assert smallest_detectable_difference(found) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [8, 20])
def test_smallest_detectable_difference_is_found_four_times_in_five(n_speakers):
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
        one = sum(b[place] if swap else a[place] for place, swap in enumerate(swaps))
        other = sum(a[place] if swap else b[place] for place, swap in enumerate(swaps))
        return abs(statistic(one) - statistic(other))

    seen = gap([False] * n_speakers)
    gaps = [gap(swaps) for swaps in product([False, True], repeat=n_speakers)]
    expected = np.mean(np.array(gaps) >= seen - 1e-9)
    assert sign_flip_test(a, b, statistic=statistic) == expected


@pytest.mark.parametrize("n_speakers", range(1, 11))
def test_sign_flip_cannot_reject_below_six_speakers(n_speakers):
    target, speaker = np.tile(TARGET, n_speakers), np.repeat(np.arange(n_speakers), 60)
    stacks = stacks_of(target, target, (target + 1) % N_CLASSES, speaker)
    p = sign_flip_test(*stacks)
    assert p == 2 / 2**n_speakers  # all of them agree: only that, and its mirror image
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


def test_systems_that_judged_other_clips_are_not_compared():
    a, b = stacks_of(*two_systems(np.random.default_rng(0), 6))
    moved = b.copy()
    moved[0, [0, 1], 0] += [-1, 1]  # a clip of another class
    for other in (b[:5], moved, b[:, :5, :5]):
        with pytest.raises(ConfigError, match="did not judge the same clips"):
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


# From packages


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_binomial_test_of_clips_where_one_is_right(pairs):
    a, b = np.array(pairs).T
    differ = int((a != b).sum())
    expected = stats.binomtest(int((a & ~b).sum()), differ).pvalue if differ else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(  # few, as multipletests collects garbage at every call
    "p_values",
    [
        [],
        [np.nan],
        [0.02, np.nan, 0.02, 0.9, np.nan, 1.0, 0.0],
        np.random.default_rng(0).beta(0.5, 3, size=12),
    ],
    ids=["none", "nan", "ties", "twelve"],
)
def test_holm_is_its_closed_form_and_passes_over_nan(p_values):
    adjusted = holm(p_values)
    p = np.array(p_values, dtype=float)
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(p))
    known = p[~np.isnan(p)]
    steps = np.sort(known) * np.arange(len(known), 0, -1)
    expected = np.minimum(np.maximum.accumulate(steps), 1)[np.argsort(np.argsort(known))]
    np.testing.assert_allclose(adjusted[~np.isnan(p)], expected)
