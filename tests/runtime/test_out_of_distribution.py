"""Out-of-distribution detection: the reasons given, the distances, the profile's JSON."""

import json
import math

import numpy as np
import pytest

from emotion.runtime.out_of_distribution import (
    DISTANCE_QUANTILE,
    ClipTraits,
    TrainingProfile,
    fit_embedding_distribution,
    fit_training_profile,
)

RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 0.1]
HELD_OUT = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 0.1]
CENTRE = np.zeros(6)


@pytest.fixture(scope="module")
def profile() -> TrainingProfile:
    traits = [ClipTraits(16_000, seconds, -30) for seconds in np.linspace(1, 4, 400)]
    return fit_training_profile(
        traits, TRAINING, HELD_OUT, window_s=2.6, model_rate=24_414, priors={"sad": 1.0}
    )


def reasons(
    profile: TrainingProfile, rate=16_000, seconds=2.0, level=-30.0, embedding=CENTRE
) -> list[str]:
    """Return the first word of each reason."""
    found = profile.ood_reasons(ClipTraits(rate, seconds, level), embedding)
    return [reason.split(" ")[0] for reason in found]


def test_each_difference_from_the_training_clips_is_named(profile) -> None:
    assert reasons(profile) == []
    assert reasons(profile, rate=48_000) == ["sample"]
    assert reasons(profile, rate=8_000) == ["sample"]
    assert reasons(profile, seconds=0.3) == ["length"]
    assert reasons(profile, level=-60.0) == ["level"]
    assert reasons(profile, embedding=CENTRE + 9) == ["embedding"]
    every = reasons(profile, 48_000, 0.3, -60.0, CENTRE + 9)
    assert every == ["sample", "length", "level", "embedding"]


def test_a_reason_gives_the_clips_value_and_the_range_of_training(profile) -> None:
    (reason,) = profile.ood_reasons(ClipTraits(8_000, 2.0, -30), CENTRE)
    assert reason == "sample rate 8,000 Hz (training: 16,000 to 16,000 Hz)"


def test_what_standardisation_removes_is_no_difference(profile) -> None:
    assert reasons(profile, seconds=3600.0) == []
    narrow = fit_training_profile(
        [ClipTraits(48_000, 2.0, -30)] * 20,
        TRAINING,
        HELD_OUT,
        window_s=math.inf,
        model_rate=16_000,
        priors={},
    )
    assert reasons(narrow, rate=16_000) == reasons(narrow, rate=44_100) == []


def test_few_validation_clips_and_most_foreign_clips_exceed_the_distance() -> None:
    fitted = fit_embedding_distribution(TRAINING, HELD_OUT)
    beyond = fitted.distances(HELD_OUT) > fitted.max_distance
    assert beyond.mean() <= 1 - DISTANCE_QUANTILE + 1e-9
    wide = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 3]
    assert (fitted.distances(wide) > fitted.max_distance).mean() > 0.5


def test_distances_are_mahalanobis_where_every_direction_is_kept() -> None:
    fitted = fit_embedding_distribution(TRAINING, HELD_OUT)
    inverse = np.linalg.inv(np.cov(TRAINING.T))
    centred = HELD_OUT - TRAINING.mean(axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred) / 6)
    assert fitted.distances(HELD_OUT) == pytest.approx(expected)


def test_more_dimensions_than_clips_give_finite_distances() -> None:
    wide = RANDOM.standard_normal((20, 500))
    fitted = fit_embedding_distribution(wide, wide)
    assert np.isfinite(fitted.distances(wide + 100)).all()
    same = fit_embedding_distribution(np.ones((20, 8)), np.ones((20, 8)))
    assert np.isfinite(same.distances(np.zeros((1, 8)))).all()


@pytest.mark.parametrize("window_s", [2.6, math.inf])
def test_a_profile_survives_json(window_s: float) -> None:
    profile = fit_training_profile(
        [ClipTraits(16_000, 2.0, -30)] * 20,
        TRAINING,
        HELD_OUT,
        window_s=window_s,
        model_rate=24_414,
        priors={"sad": 1.0},
    )
    again = TrainingProfile.from_dict(json.loads(json.dumps(profile.as_dict())))
    assert again.window_s == window_s
    for embedding in (CENTRE, CENTRE + 2, CENTRE + 9):
        assert reasons(again, 48_000, embedding=embedding) == reasons(
            profile, 48_000, embedding=embedding
        )
    assert again.embedding.max_distance == pytest.approx(profile.embedding.max_distance, rel=1e-5)
    assert again.priors == profile.priors
