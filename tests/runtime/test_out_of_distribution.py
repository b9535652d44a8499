"""What is unlike the training clips, in which way, and what is kept of them."""

import json
import math

import numpy as np
import pytest

from emotion.runtime.out_of_distribution import LIMIT, Profile, Traits, describe, fit_cloud

RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 0.1]
HELD_OUT = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 0.1]
MIDDLE = np.zeros(6)


@pytest.fixture(scope="module")
def profile() -> Profile:
    traits = [Traits(16_000, seconds, -30) for seconds in np.linspace(1, 4, 400)]
    return describe(
        traits, TRAINING, HELD_OUT, window_s=2.6, model_rate=24_414, priors={"sad": 1.0}
    )


def ways(profile: Profile, rate=16_000, seconds=2.0, level=-30.0, embedding=MIDDLE) -> list[str]:
    found = profile.unlike(Traits(rate, seconds, level), embedding)
    return [way.removeprefix("its ").split(" ")[0].rstrip(",") for way in found]


def test_each_way_of_being_unlike_is_named(profile: Profile) -> None:
    assert ways(profile) == []
    assert ways(profile, rate=48_000) == ["rate"]
    assert ways(profile, rate=8_000) == ["rate"]
    assert ways(profile, seconds=0.3) == ["length"]
    assert ways(profile, level=-60.0) == ["level"]
    assert ways(profile, embedding=MIDDLE + 9) == ["sound"]
    assert ways(profile, 48_000, 0.3, -60.0, MIDDLE + 9) == ["rate", "length", "level", "sound"]


def test_what_the_model_does_not_hear_is_no_difference(profile: Profile) -> None:
    assert ways(profile, seconds=3600.0) == []
    narrow = describe(
        [Traits(48_000, 2.0, -30)] * 20,
        TRAINING,
        HELD_OUT,
        window_s=math.inf,
        model_rate=16_000,
        priors={},
    )
    assert ways(narrow, rate=16_000) == ways(narrow, rate=44_100) == []


def test_few_validation_clips_and_most_strangers_lie_beyond_the_limit() -> None:
    cloud = fit_cloud(TRAINING, HELD_OUT)
    beyond = cloud.distances(HELD_OUT) > cloud.limit
    assert beyond.mean() <= 1 - LIMIT + 1e-9
    wide = RANDOM.standard_normal((400, 6)) * [5, 1, 1, 1, 1, 3]
    assert (cloud.distances(wide) > cloud.limit).mean() > 0.5


def test_distances_are_mahalanobis_where_every_direction_is_kept() -> None:
    cloud = fit_cloud(TRAINING, HELD_OUT)
    inverse = np.linalg.inv(np.cov(TRAINING.T))
    centred = HELD_OUT - TRAINING.mean(axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred) / 6)
    assert cloud.distances(HELD_OUT) == pytest.approx(expected)


def test_more_dimensions_than_clips_give_a_finite_limit() -> None:
    wide = RANDOM.standard_normal((20, 500))
    cloud = fit_cloud(wide, wide)
    assert np.isfinite(cloud.distances(wide + 100)).all()
    same = fit_cloud(np.ones((20, 8)), np.ones((20, 8)))
    assert np.isfinite(same.distances(np.zeros((1, 8)))).all()


def test_a_profile_survives_json(profile: Profile) -> None:
    again = Profile.from_dict(json.loads(json.dumps(profile.as_dict())))
    for embedding in (MIDDLE, MIDDLE + 2, MIDDLE + 9):
        assert ways(again, 48_000, embedding=embedding) == ways(
            profile, 48_000, embedding=embedding
        )
    assert again.cloud.limit == pytest.approx(profile.cloud.limit, rel=1e-5)
    assert again.priors == profile.priors
