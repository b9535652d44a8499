"""Windows of a stream: their grid, and their independence of the chunks."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import ConfigError
from emotion.runtime.windows import WindowCutter, WindowGrid, choose_window_grid


@given(
    length=st.integers(1, 500),
    window=st.integers(10, 100),
    hop=st.floats(0.1, 1),
    cuts=st.lists(st.integers(0, 500), max_size=8),
)
def test_windows_cover_a_recording_whatever_its_chunks_are(length, window, hop, cuts) -> None:
    wave = np.arange(length, dtype=np.float32)
    grid = WindowGrid(window / 100, max(0.01, hop * window / 100))

    def windows(cuts):
        cutter = WindowCutter(grid, 100)
        found = []
        for chunk in np.split(wave, sorted(cuts)):
            found += [(window.start, window.wave.tolist()) for window in cutter.push(chunk)]
        return found + [(window.start, window.wave.tolist()) for window in cutter.end()]

    found = windows(cuts)
    assert found == windows([])
    assert {sample for _, samples in found for sample in samples} == set(wave.tolist())
    for start, samples in found:
        assert samples == wave[start : start + window].tolist()
        assert len(samples) == min(window, length)
    assert all(one[0] < other[0] for one, other in pairwise(found))


def test_windows_have_the_models_own_length_or_three_seconds() -> None:
    assert choose_window_grid(2.618) == WindowGrid(2.618, 1.309)
    assert choose_window_grid(math.inf) == WindowGrid(3.0, 1.5)
    assert choose_window_grid(math.inf, window_s=5, hop_s=1) == WindowGrid(5, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 3.0}, r"window_s=3.0: choose 0.1 to 1.000"),
        ({"window_s": 0}, "window_s=0"),
        ({"hop_s": 1.5}, "hop_s=1.5"),
        ({"hop_s": 0}, "hop_s=0"),
    ],
)
def test_windows_that_leave_gaps_or_exceed_the_model_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_window_grid(1.0, **settings)
