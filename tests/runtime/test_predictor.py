"""Predictions: chosen labels, notes and their priority."""

import numpy as np
import pytest

from emotion.errors import ConfigError
from emotion.runtime.out_of_distribution import TrainingProfile
from emotion.runtime.predictor import (
    NO_SPEECH,
    NOT_SURE,
    OUT_OF_DISTRIBUTION,
    Prediction,
    Predictor,
)
from tests.support.fake_model import (
    LABELS,
    RATE,
    FakeModel,
    FakeSpeechDetector,
    noise,
    noise_profile,
)

WAVE = noise(1.0)


def predict_one(predictor: Predictor, wave=WAVE) -> Prediction:
    return predictor.predict([predictor.prepare(wave, RATE)])[0]


@pytest.fixture(scope="module")
def profile() -> TrainingProfile:
    return noise_profile()


def test_without_settings_the_probabilities_are_the_models_own() -> None:
    model = FakeModel()
    expected = model.infer([model.standardise(WAVE, RATE)]).probabilities[0]
    assert predict_one(Predictor(model)).probabilities == tuple(expected.tolist())


def test_probabilities_of_chosen_labels_keep_their_ratio_and_sum_to_one() -> None:
    every = dict(zip(LABELS, predict_one(Predictor(FakeModel())).probabilities, strict=True))
    predictor = Predictor(FakeModel(), labels=["happy", "sad"])
    assert predictor.labels == ("sad", "happy")
    chosen = dict(zip(predictor.labels, predict_one(predictor).probabilities, strict=True))
    assert sum(chosen.values()) == pytest.approx(1)
    assert chosen["sad"] / chosen["happy"] == pytest.approx(every["sad"] / every["happy"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ["hapy", "sad"]}, "Did you mean happy"),
        ({"labels": ["sad"]}, "two or more"),
        ({"priors": {"joy": 0.5}}, "unknown label"),
        ({"abstain_below": 60}, "not a probability"),
    ],
)
def test_impossible_settings_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Predictor(FakeModel(), **settings)


def test_no_speech_precedes_not_sure_precedes_out_of_distribution(profile) -> None:
    quiet = (WAVE / 1000).astype(np.float32)
    detector = FakeSpeechDetector()
    every = {"speech_detector": detector, "profiles": [profile], "abstain_below": 1.0}
    assert predict_one(Predictor(FakeModel(), **every), quiet).note == NO_SPEECH
    speech = {**every, "speech_detector": None}
    assert predict_one(Predictor(FakeModel(), **speech), quiet).note == NOT_SURE
    unlike = predict_one(Predictor(FakeModel(), profiles=[profile]), quiet)
    assert unlike.note == OUT_OF_DISTRIBUTION
    assert any("level" in reason for reason in unlike.ood_reasons)
    assert predict_one(Predictor(FakeModel(), **{**every, "abstain_below": 0.0})).note == ""


def test_a_note_changes_neither_label_nor_probabilities() -> None:
    plain = predict_one(Predictor(FakeModel()))
    noted = predict_one(Predictor(FakeModel(), abstain_below=1.0))
    assert (noted.predicted, noted.probabilities) == (plain.predicted, plain.probabilities)


def test_out_of_distribution_must_hold_for_every_network_of_an_ensemble(profile) -> None:
    class Pair(FakeModel):
        def infer(self, clips):
            output = super().infer(clips)
            twice = np.concatenate([output.embedding, output.embedding], axis=1)
            return type(output)(output.probabilities, output.logits, twice)

    quiet = noise_profile(level=0.001)
    wave = noise(1.0, seed=99, level=0.001)
    one, both = Predictor(FakeModel(), profiles=[profile]), [profile, profile]
    assert predict_one(one, wave).note == OUT_OF_DISTRIBUTION
    assert predict_one(Predictor(Pair(), profiles=both), wave).note == OUT_OF_DISTRIBUTION
    assert predict_one(Predictor(Pair(), profiles=[profile, quiet]), wave).note == ""


@pytest.mark.parametrize(("window_s", "note"), [(1.0, NO_SPEECH), (np.inf, "")])
def test_speech_after_the_models_window_does_not_count(window_s: float, note: str) -> None:
    wave = np.concatenate([np.zeros(RATE, dtype=np.float32), noise(2.0)])
    predictor = Predictor(FakeModel(window_s), speech_detector=FakeSpeechDetector())
    assert predict_one(predictor, wave).note == note


def test_integer_samples_give_the_prediction_of_the_same_clip_as_floats() -> None:
    pcm = np.round(WAVE * 32_767).astype(np.int16)
    predictor = Predictor(FakeModel(), profiles=[noise_profile()])
    floats = (pcm / 32_768).astype(np.float32)
    assert predict_one(predictor, pcm) == predict_one(predictor, floats)
    for bad, rate in ((np.full(100, np.nan), RATE), (np.zeros(0), RATE), (WAVE, 0)):
        with pytest.raises(ConfigError, match="cannot be used"):
            predictor.prepare(bad, rate)
