"""The timeline plot, and the interval of time that each window represents."""

from pathlib import Path

import pytest
from PIL import Image

from emotion.inference.timeline_plot import plot_timeline, window_edges
from emotion.runtime.predictor import NO_SPEECH, Prediction
from emotion.runtime.stream import WindowPrediction

WINDOWS = [
    WindowPrediction(start, start + 2, Prediction("sad", note, (0.7, 0.3)))
    for start, note in ((0.0, ""), (1.0, NO_SPEECH), (1.5, ""))
]


def test_edges_are_halfway_between_the_centres_of_windows() -> None:
    assert window_edges(WINDOWS).tolist() == pytest.approx([0.0, 1.5, 2.25, 3.5])
    assert window_edges(WINDOWS[:1]).tolist() == [0.0, 2.0]


def test_plot_is_an_image_whatever_the_title(tmp_path: Path) -> None:
    plot_timeline(WINDOWS, ["sad", "happy"], tmp_path / "t.png", title="$unbalanced {math")
    assert Image.open(tmp_path / "t.png").size == (1200, 384)
