"""Class priors: those of training, and those that replace them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import ConfigError
from emotion.runtime.class_priors import complete_priors, training_priors
from emotion.runtime.predictor import Predictor
from tests.support.fake_model import LABELS, RATE, FakeModel, noise, noise_profile

WAVE = noise(1.0)
TRAINING = {"sad": 0.6, "angry": 0.3, "happy": 0.1}


def probabilities(**settings) -> np.ndarray:
    predictor = Predictor(FakeModel(), **settings)
    return np.array(predictor.predict([predictor.prepare(WAVE, RATE)])[0].probabilities)


@given(priors=st.lists(st.floats(0.01, 10), min_size=3, max_size=3))
def test_priors_multiply_the_odds_whatever_their_scale(priors: list[float]) -> None:
    expected = probabilities() * priors
    weighted = probabilities(priors=priors)
    assert weighted == pytest.approx(expected / expected.sum())
    assert weighted == pytest.approx(probabilities(priors=[5 * prior for prior in priors]))


def test_priors_replace_those_of_training() -> None:
    profiles = [noise_profile(priors=TRAINING)]
    plain = probabilities()
    assert probabilities(profiles=profiles, priors=TRAINING) == pytest.approx(plain)
    assert probabilities(profiles=profiles, priors={"happy": 0.1}) == pytest.approx(plain)
    assert probabilities(profiles=profiles, priors={"sad": 0.1})[0] < plain[0]


def test_priors_of_training_are_averaged_and_uniform_without_a_profile() -> None:
    profiles = [noise_profile(priors=TRAINING), noise_profile()]
    assert training_priors(profiles, LABELS) == pytest.approx(
        {label: (TRAINING[label] + 1 / 3) / 2 for label in LABELS}
    )
    assert training_priors([], LABELS) == pytest.approx(dict.fromkeys(LABELS, 1 / 3))
    unseen = training_priors([noise_profile(priors={**TRAINING, "happy": 0.0})], LABELS)
    assert 0 < unseen["happy"] < 0.01


def test_labels_without_a_prior_share_the_rest_as_in_training() -> None:
    assert complete_priors({"happy": 0.4}, TRAINING) == pytest.approx(
        {"sad": 0.4, "angry": 0.2, "happy": 0.4}
    )


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"joy": 0.5}, "unknown label 'joy'"),
        ([0.5, 0.5], "one for each of sad, angry, happy"),
        ({"sad": 1.0}, "leaves nothing for angry, happy"),
        ({"sad": 0}, "must be above 0"),
        ({"sad": float("nan")}, "must be above 0"),
        ({"sad": "much"}, "must be above 0"),
    ],
)
def test_impossible_priors_are_refused(priors, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        complete_priors(priors, TRAINING)
