"""Predictions over time: independent of the chunks, prompt, smoothed, in bounded memory."""

import numpy as np
import pytest
import soundfile as sf

from emotion.errors import ConfigError
from emotion.inference.timeline import predict_windows
from emotion.runtime.predictor import NO_SPEECH, Predictor
from emotion.runtime.stream import MAX_BATCH, Stream, WindowPrediction
from tests.support.fake_model import FakeModel, FakeSpeechDetector, noise


def feed(stream: Stream, wave, cuts=()) -> list[WindowPrediction]:
    """Return the predictions for a recording that arrives in chunks."""
    predictions: list[WindowPrediction] = []
    for chunk in np.split(wave, sorted(cuts)):
        predictions += stream.feed(chunk)
    return predictions + stream.close()


def speech_predictor() -> Predictor:
    return Predictor(FakeModel(), speech_detector=FakeSpeechDetector())


def test_a_file_in_random_chunks_gives_the_predictions_of_its_timeline(tmp_path) -> None:
    rate = 11_025
    wave = noise(37.3, rate)
    path = tmp_path / "long.wav"
    sf.write(path, wave, rate, subtype="FLOAT")
    settings = {"window_s": 0.9, "hop_s": 0.4}
    expected = predict_windows(path, speech_predictor(), **settings)
    assert len(expected) > 90
    for seed in range(3):
        sizes = np.random.default_rng(seed).integers(0, 20_000, 200)
        cuts = [cut for cut in np.cumsum(sizes) if cut < len(wave)]
        assert feed(Stream(speech_predictor(), rate, **settings), wave, cuts) == expected


def test_a_short_file_is_one_window_with_the_probabilities_of_predict() -> None:
    predictor = Predictor(FakeModel())
    wave = noise(0.7)
    (window,) = feed(Stream(predictor, 8000), wave, [100, 3000])
    assert (window.start_s, window.end_s) == (0.0, 0.7)
    assert window.prediction == predictor.predict([predictor.prepare(wave, 8000)])[0]


def test_a_prediction_is_returned_with_the_last_sample_of_its_window() -> None:
    stream = Stream(Predictor(FakeModel()), 8000)
    wave = noise(3.0)
    assert stream.feed(wave[:7999]) == []
    assert [window.end_s for window in stream.feed(wave[7999:8000])] == [1.0]
    assert stream.feed(wave[8000:11_999]) == []
    assert [window.end_s for window in stream.feed(wave[11_999:12_001])] == [1.5]


def test_memory_is_bounded_for_any_length_and_any_chunks() -> None:
    model = FakeModel()
    stream = Stream(Predictor(model), 8000, hop_s=0.1)
    for _ in range(50):
        stream.feed(noise(1.0))
        assert len(stream.cutter.buffer) <= 8000 * 1.1 + 1
    stream.feed(noise(120.0))
    assert model.largest_batch == MAX_BATCH
    assert len(stream.cutter.buffer) <= 8000 * 1.1 + 1
    assert stream.cutter.buffer.base is None  # no view of the long chunk


def test_smoothing_is_exponential_and_skips_windows_without_speech() -> None:
    wave = np.concatenate([noise(2.0), np.zeros(16_000, dtype=np.float32), noise(2.0, seed=1)])
    plain = feed(Stream(speech_predictor(), 8000, hop_s=1.0), wave)
    smooth = feed(Stream(speech_predictor(), 8000, hop_s=1.0, smoothing=0.6), wave)
    state = None
    for one, other in zip(plain, smooth, strict=True):
        assert other.prediction.note == one.prediction.note
        own = np.array(one.prediction.probabilities)
        if one.prediction.note == NO_SPEECH:
            assert other.prediction == one.prediction
            continue
        state = own if state is None else 0.6 * state + 0.4 * own
        assert other.prediction.probabilities == pytest.approx(state)
    assert NO_SPEECH in {window.prediction.note for window in plain}


def test_smoothing_that_would_never_change_is_refused() -> None:
    with pytest.raises(ConfigError, match="smoothing=1"):
        Stream(Predictor(FakeModel()), 8000, smoothing=1)


@pytest.mark.parametrize("kind", ["float64", "int16", "stereo", "channels first"])
def test_chunks_of_every_type_and_shape_give_the_same_predictions(kind: str) -> None:
    pcm = np.round(noise(2.3) * 32_767).astype(np.int16)
    wave = (pcm / 32_768).astype(np.float32)
    expected = feed(Stream(Predictor(FakeModel()), 8000), wave, [5000])
    stereo = np.stack([wave, wave], axis=1)
    same = {"float64": wave.astype(float), "int16": pcm, "stereo": stereo, "channels first": pcm}
    stream = Stream(Predictor(FakeModel()), 8000)
    windows = []
    for chunk in np.split(same[kind], [5000]):
        windows += stream.feed(np.stack([chunk, chunk]) if kind == "channels first" else chunk)
    assert windows + stream.close() == expected


def test_chunks_that_cannot_be_used_are_refused_and_change_nothing() -> None:
    stream = Stream(Predictor(FakeModel()), 8000)
    assert stream.feed(np.zeros(0)) == []
    for chunk in (np.full(10, np.nan), np.zeros(10, np.int64), np.zeros((3, 3))):
        with pytest.raises(ConfigError, match="cannot be used"):
            stream.feed(chunk)
    assert stream.close() == []


@pytest.mark.parametrize("rate", [0, 44_100.5, "8000"])
def test_a_sample_rate_that_cannot_be_used_is_refused(rate) -> None:
    with pytest.raises(ConfigError, match="sample_rate"):
        Stream(Predictor(FakeModel()), rate)
