"""Plot of the predicted probabilities over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.plots.style import LABEL_COLOURS, png_figure
from emotion.runtime.predictor import NO_SPEECH
from emotion.runtime.stream import WindowPrediction

WIDTH_IN, HEIGHT_IN = 10.0, 3.2
NO_SPEECH_STYLE: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": "#888888",
    "alpha": 0.8,
    "hatch": "//",
    "linewidth": 0,
}


def plot_timeline(
    windows: Sequence[WindowPrediction], labels: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a plot of the probabilities over time, stacked; windows without speech are hatched."""
    from matplotlib.patches import Patch

    edges = window_edges(windows)
    probabilities = np.array([window.prediction.probabilities for window in windows])  # (N, L)
    tops = np.cumsum(probabilities, axis=1)
    no_speech = np.array([window.prediction.note == NO_SPEECH for window in windows])
    with png_figure(path, WIDTH_IN, HEIGHT_IN) as figure:
        axes = figure.subplots()
        for index, label in enumerate(labels):
            top, colour = tops[:, index], LABEL_COLOURS[index % len(LABEL_COLOURS)]
            bottom = top - probabilities[:, index]
            axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, label=label)
        changes = np.flatnonzero(np.diff(np.pad(no_speech.astype(int), 1)))
        for start, end in changes.reshape(-1, 2):  # first index and last index + 1 of each run
            axes.axvspan(edges[start], edges[end], **NO_SPEECH_STYLE)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1), xlabel="seconds", ylabel="probability")
        axes.set_title(title)
        no_speech_patch = Patch(**NO_SPEECH_STYLE, label=NO_SPEECH)
        handles = [*axes.get_legend_handles_labels()[0], no_speech_patch]
        figure.legend(handles=handles[::-1], loc="outside right center")


def window_edges(windows: Sequence[WindowPrediction]) -> npt.NDArray[np.float64]:
    """Return the edges in seconds, (N + 1,), of the intervals that N overlapping windows represent.

    The interval of a window is the time around its centre, up to halfway to the next centres.
    """
    centres = np.array([(window.start_s + window.end_s) / 2 for window in windows])
    halfway = (centres[1:] + centres[:-1]) / 2
    return np.array([windows[0].start_s, *halfway, windows[-1].end_s])
