"""What a predictor makes of probabilities: the labels asked for, priors, notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import ConfigError
from emotion.runtime.out_of_distribution import Profile, describe, traits_of
from emotion.runtime.predictor import NO_SPEECH, NOT_SURE, UNLIKE, Prediction, Predictor
from tests.support.hearers import LABELS, Ear, LoudGate, noise

RATE = 8000
WAVE = noise(1.0)


def predict_one(predictor: Predictor, wave=WAVE, rate: int = RATE) -> Prediction:
    return predictor.judge([predictor.prepare(wave, rate)])[0]


def profile_of(waves, priors=None) -> Profile:
    ear = Ear()
    embedding = ear.answer([ear.standardise(wave, RATE) for wave in waves]).embedding
    return describe(
        [traits_of(wave, RATE) for wave in waves],
        embedding,
        embedding,
        window_s=ear.window,
        model_rate=8000,
        priors=priors or dict.fromkeys(LABELS, 1 / 3),
    )


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of([noise(1.0, seed=seed) for seed in range(64)])


def test_a_plain_listener_passes_on_what_the_recogniser_says() -> None:
    ear = Ear()
    said = ear.answer([ear.standardise(WAVE, RATE)]).probabilities[0]
    assert predict_one(Predictor(ear)).probabilities == tuple(said.tolist())


def test_labels_restrict_and_the_rest_sums_to_one() -> None:
    everything = dict(zip(LABELS, predict_one(Predictor(Ear())).probabilities, strict=True))
    few = Predictor(Ear(), labels=["happy", "sad"])
    assert few.labels == ("sad", "happy")
    chances = dict(zip(few.labels, predict_one(few).probabilities, strict=True))
    assert sum(chances.values()) == pytest.approx(1)
    ratio = everything["sad"] / everything["happy"]
    assert chances["sad"] / chances["happy"] == pytest.approx(ratio)


@given(shares=st.lists(st.floats(0.01, 10), min_size=3, max_size=3))
def test_priors_multiply_the_odds_and_their_scale_is_nothing(shares: list[float]) -> None:
    plain = np.array(predict_one(Predictor(Ear())).probabilities)
    weighed = np.array(predict_one(Predictor(Ear(), priors=shares)).probabilities)
    expected = plain * shares
    assert weighed == pytest.approx(expected / expected.sum())
    again = predict_one(Predictor(Ear(), priors=[5 * share for share in shares])).probabilities
    assert weighed == pytest.approx(again)


def test_priors_replace_those_that_training_had() -> None:
    learned = {"sad": 0.6, "angry": 0.3, "happy": 0.1}
    profiles = [profile_of([noise(1.0, seed=seed) for seed in range(64)], learned)]
    plain = predict_one(Predictor(Ear()))
    same = predict_one(Predictor(Ear(), profiles=profiles, priors=learned))
    assert same.probabilities == pytest.approx(plain.probabilities)
    partly = predict_one(Predictor(Ear(), profiles=profiles, priors={"happy": 0.1}))
    assert partly.probabilities == pytest.approx(plain.probabilities)
    rarer = predict_one(Predictor(Ear(), profiles=profiles, priors={"sad": 0.1}))
    assert rarer.probabilities[0] < plain.probabilities[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ["hapy", "sad"]}, "Did you mean happy"),
        ({"labels": ["sad"]}, "two or more"),
        ({"priors": {"joy": 0.5}}, "not among the labels"),
        ({"priors": [0.5, 0.5]}, "2 numbers for 3 labels"),
        ({"priors": {"sad": 1.0}}, "leave nothing for angry, happy"),
        ({"priors": {"sad": 0}}, "must be above 0"),
        ({"priors": {"sad": float("nan")}}, "must be above 0"),
        ({"priors": {"sad": "much"}}, "must be above 0"),
        ({"abstain_below": 60}, "no probability"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Predictor(Ear(), **settings)


def test_no_speech_goes_before_not_sure_before_unlike(profile: Profile) -> None:
    quiet = (WAVE / 1000).astype(np.float32)
    every = {"gate": LoudGate(), "profiles": [profile], "abstain_below": 1.0}
    assert predict_one(Predictor(Ear(), **every), quiet).note == NO_SPEECH
    assert predict_one(Predictor(Ear(), **{**every, "gate": None}), quiet).note == NOT_SURE
    unlike = predict_one(Predictor(Ear(), profiles=[profile]), quiet)
    assert unlike.note == UNLIKE
    assert any("level" in way for way in unlike.unlike)
    assert predict_one(Predictor(Ear(), **{**every, "abstain_below": 0.0})).note == ""


def test_a_note_leaves_label_and_probabilities_as_they_are(profile: Profile) -> None:
    plain = predict_one(Predictor(Ear()))
    noted = predict_one(Predictor(Ear(), abstain_below=1.0))
    assert (noted.predicted, noted.probabilities) == (plain.predicted, plain.probabilities)


def test_several_networks_find_unlike_only_what_is_so_to_each(profile: Profile) -> None:
    class Pair(Ear):
        def answer(self, clips):
            heard = super().answer(clips)
            twice = np.concatenate([heard.embedding, heard.embedding], axis=1)
            return type(heard)(heard.probabilities, heard.logits, twice)

    quiet = profile_of([noise(1.0, seed=seed, level=0.001) for seed in range(64)])
    wave = noise(1.0, seed=99, level=0.001)
    assert predict_one(Predictor(Ear(), profiles=[profile]), wave).note == UNLIKE
    assert predict_one(Predictor(Pair(), profiles=[profile, profile]), wave).note == UNLIKE
    assert predict_one(Predictor(Pair(), profiles=[profile, quiet]), wave).note == ""


def test_what_lies_behind_the_window_makes_no_speech() -> None:
    wave = np.concatenate([np.zeros(RATE, dtype=np.float32), noise(2.0)])
    assert predict_one(Predictor(Ear(window=1.0), gate=LoudGate()), wave).note == NO_SPEECH
    assert predict_one(Predictor(Ear(window=np.inf), gate=LoudGate()), wave).note == ""
