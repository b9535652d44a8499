"""Windows over time: where they lie, and that it is nothing to them how the sound comes in."""

import math
from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import ConfigError
from emotion.inference.timeline import predict_windows
from emotion.runtime.predictor import NO_SPEECH, Predictor
from emotion.runtime.stream import BATCH, Stream, WindowPrediction
from emotion.runtime.windows import Cutter, Grid, choose_grid
from tests.support.hearers import Ear, LoudGate, noise


def feed(stream: Stream, wave, cuts=()) -> list[WindowPrediction]:
    """Return the opinions of a recording that comes in pieces."""
    moments: list[WindowPrediction] = []
    for chunk in np.split(wave, sorted(cuts)):
        moments += stream.feed(chunk)
    return moments + stream.close()


@given(
    length=st.integers(1, 500),
    window=st.integers(10, 100),
    hop=st.floats(0.1, 1),
    cuts=st.lists(st.integers(0, 500), max_size=8),
)
def test_windows_cover_a_recording_whatever_it_is_cut_into(length, window, hop, cuts) -> None:
    wave = np.arange(length, dtype=np.float32)
    grid = Grid(window / 100, max(0.01, hop * window / 100))

    def windows(places):
        cutter = Cutter(grid, 100)
        found = []
        for chunk in np.split(wave, sorted(places)):
            found += [(piece.start, piece.wave.tolist()) for piece in cutter.push(chunk)]
        return found + [(piece.start, piece.wave.tolist()) for piece in cutter.end()]

    found = windows(cuts)
    assert found == windows([])
    assert {sample for _, samples in found for sample in samples} == set(wave.tolist())
    for start, samples in found:
        assert samples == wave[start : start + window].tolist()
        assert len(samples) == min(window, length)
    assert all(one[0] < other[0] for one, other in pairwise(found))


def test_a_file_in_random_chunks_gives_the_opinions_of_its_timeline(tmp_path) -> None:
    rate = 11_025
    wave = noise(37.3, rate)
    path = tmp_path / "long.wav"
    sf.write(path, wave, rate, subtype="FLOAT")
    settings = {"window_s": 0.9, "hop_s": 0.4}
    expected = predict_windows(path, Predictor(Ear(), gate=LoudGate()), **settings)
    assert len(expected) > 90
    for seed in range(3):
        sizes = np.random.default_rng(seed).integers(0, 20_000, 200)
        predictor = Predictor(Ear(), gate=LoudGate())
        cuts = [cut for cut in np.cumsum(sizes) if cut < len(wave)]
        assert feed(Stream(predictor, rate, **settings), wave, cuts) == expected


def test_a_short_file_is_one_window_with_the_probabilities_of_predict() -> None:
    predictor = Predictor(Ear())
    wave = noise(0.7)
    (moment,) = feed(Stream(predictor, 8000), wave, [100, 3000])
    assert (moment.start_s, moment.end_s) == (0.0, 0.7)
    assert moment.opinion == predictor.judge([predictor.prepare(wave, 8000)])[0]


def test_an_opinion_comes_with_the_last_sample_of_its_window() -> None:
    stream = Stream(Predictor(Ear()), 8000)
    wave = noise(3.0)
    assert stream.feed(wave[:7999]) == []
    assert [moment.end_s for moment in stream.feed(wave[7999:8000])] == [1.0]
    assert stream.feed(wave[8000:11_999]) == []
    assert [moment.end_s for moment in stream.feed(wave[11_999:12_001])] == [1.5]


def test_memory_is_bounded_however_long_and_however_the_sound_comes() -> None:
    ear = Ear()
    stream = Stream(Predictor(ear), 8000, hop_s=0.1)
    for _ in range(50):
        stream.feed(noise(1.0))
        assert len(stream.cutter.kept) <= 8000 * 1.1 + 1
    stream.feed(noise(120.0))
    assert ear.largest_batch == BATCH
    assert len(stream.cutter.kept) <= 8000 * 1.1 + 1
    assert stream.cutter.kept.base is None  # no view of the long chunk


def test_smoothing_is_exponential_and_passes_over_what_is_no_speech() -> None:
    wave = np.concatenate([noise(2.0), np.zeros(16_000, dtype=np.float32), noise(2.0, seed=1)])
    settings = {"hop_s": 1.0}
    plain = feed(Stream(Predictor(Ear(), gate=LoudGate()), 8000, **settings), wave)
    smooth = feed(Stream(Predictor(Ear(), gate=LoudGate()), 8000, smoothing=0.6, **settings), wave)
    state = None
    for one, other in zip(plain, smooth, strict=True):
        assert other.opinion.note == one.opinion.note
        own = np.array(one.opinion.probabilities)
        if one.opinion.note == NO_SPEECH:
            assert other.opinion == one.opinion
            continue
        state = own if state is None else 0.6 * state + 0.4 * own
        assert other.opinion.probabilities == pytest.approx(state)
    assert NO_SPEECH in {moment.opinion.note for moment in plain}


def test_windows_are_the_models_own_or_three_seconds() -> None:
    assert choose_grid(2.618) == Grid(2.618, 1.309)
    assert choose_grid(math.inf) == Grid(3.0, 1.5)
    assert choose_grid(math.inf, window_s=5, hop_s=1) == Grid(5, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 3.0}, r"window_s=3.0: choose 0.1 to 1.000"),
        ({"window_s": 0}, "window_s=0"),
        ({"hop_s": 1.5}, "hop_s=1.5"),
        ({"hop_s": 0}, "hop_s=0"),
        ({"smoothing": 1}, "smoothing=1"),
    ],
)
def test_windows_that_leave_gaps_or_are_not_heard_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Stream(Predictor(Ear()), 8000, **settings)
