"""Simulated population of speakers, for the tests of intervals over speakers.

The accuracy of a system on a class of a speaker is a logit: the mean of the class, plus an effect
of the speaker, plus an effect of the speaker in this class. Each effect has half of the variance of
`spread`. A clip is predicted correctly with this probability, else as any other class.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

N_CLASSES = 6
OFFSETS = np.linspace(-0.5, 0.5, N_CLASSES)
"""Difference of each class from the mean, in logits."""

TARGET = np.repeat(np.arange(N_CLASSES), 10)
"""Targets of a speaker with ten clips of each class."""


@cache
def intercepts(uar, spread):
    """Return the mean logits of the classes, (C,), at which the expected UAR is `uar`."""
    points, weights = np.polynomial.hermite_e.hermegauss(61)

    def expected(middle):
        accuracy = expit(middle + OFFSETS[:, None] + spread * points)
        return (accuracy @ weights).mean() / weights.sum()

    return OFFSETS + brentq(lambda middle: expected(middle) - uar, -10, 10)


def speaker_effects(rng, n_speakers, spread, n_systems=1):
    """Return logits, (systems, G, C), to add."""
    whole = rng.standard_normal((n_systems, n_speakers, 1))
    by_class = rng.standard_normal((n_systems, n_speakers, N_CLASSES))
    return spread * (whole + by_class) / np.sqrt(2)


def clip_targets(rng, n_speakers, own_mix=False):
    """Return targets, (G · 60,): ten a class, or by a mix of classes of each speaker."""
    if not own_mix:
        return np.tile(TARGET, n_speakers)
    mixes = rng.dirichlet(np.full(N_CLASSES, 1.5), size=(n_speakers, 1))
    draws = rng.random((n_speakers, 60, 1))
    return (draws > mixes.cumsum(axis=-1)[..., :-1]).sum(axis=-1).ravel()


def predictions(rng, logits, target, speaker):
    """Return predictions, (N,), of one system with logits (G, C)."""
    correct = rng.random(len(target)) < expit(logits)[speaker, target]
    return np.where(correct, target, (target + rng.integers(1, N_CLASSES, len(target))) % N_CLASSES)


def one_system(rng, n_speakers, *, uar=0.65, spread=0.7, own_mix=False):
    """Return target, predicted and speaker, (G · 60,) each."""
    speaker = np.repeat(np.arange(n_speakers), 60)
    target = clip_targets(rng, n_speakers, own_mix)
    logits = intercepts(uar, spread) + speaker_effects(rng, n_speakers, spread)[0]
    return target, predictions(rng, logits, target, speaker), speaker


def two_systems(rng, n_speakers, *, gain=0.0, uar=0.65, spread=0.7):
    """Return target, two predictions and speaker: half of the variance is common to both systems.

    `gain` is the expected UAR of b minus that of a.
    """
    speaker = np.repeat(np.arange(n_speakers), 60)
    target = clip_targets(rng, n_speakers)
    common, own_a, own_b = speaker_effects(rng, n_speakers, spread / np.sqrt(2), n_systems=3)
    a = predictions(rng, intercepts(uar, spread) + common + own_a, target, speaker)
    b = predictions(rng, intercepts(uar + gain, spread) + common + own_b, target, speaker)
    return target, a, b, speaker


def coverage(make, truth, *, replicates=2000, seed=0):
    """Return the fraction of intervals, each made by `make(rng)`, that contain the truth."""
    rng = np.random.default_rng(seed)
    intervals = (make(rng) for _ in range(replicates))
    return np.mean([each.low <= truth <= each.high for each in intervals])
