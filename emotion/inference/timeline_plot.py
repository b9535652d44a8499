"""A picture of opinions over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.runtime.predictor import NO_SPEECH
from emotion.runtime.stream import WindowPrediction
from emotion.utils.files import written_whole

INCHES, DPI = (10.0, 3.2), 120
COLOURS = ("#4e79a7", "#e15759", "#76b7b2", "#b07aa1", "#f1ce63", "#bab0ac", "#59a14f", "#ff9da7")
"""Of the labels, in their order; eight that are told apart in print and by most eyes."""

SILENT: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": "#888888",
    "alpha": 0.8,
    "hatch": "//",
    "linewidth": 0,
}


def draw(
    moments: Sequence[WindowPrediction], labels: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a picture of the probabilities over time, stacked; time without speech is hatched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    # Each window stands for the time around its middle, up to halfway to its neighbours.
    middles = np.array([(moment.start_s + moment.end_s) / 2 for moment in moments])
    ends = [moments[0].start_s, *((middles[1:] + middles[:-1]) / 2), moments[-1].end_s]
    chances = np.array([moment.opinion.probabilities for moment in moments])  # (N, L)
    tops = np.cumsum(chances, axis=1)
    silent = np.array([moment.opinion.note == NO_SPEECH for moment in moments])
    for place, label in enumerate(labels):
        axes.stairs(
            tops[:, place],
            ends,
            baseline=tops[:, place] - chances[:, place],
            fill=True,
            color=COLOURS[place % len(COLOURS)],
            label=label,
        )
    for start, end in _stretches(silent):
        axes.axvspan(ends[start], ends[end], **SILENT)
    axes.set(xlim=(ends[0], ends[-1]), ylim=(0, 1), xlabel="seconds", ylabel="probability")
    axes.set_title(title, fontsize="medium", parse_math=False)
    handles, _ = axes.get_legend_handles_labels()
    handles.append(Patch(**SILENT, label=NO_SPEECH))
    figure.legend(handles=handles[::-1], loc="outside right center", frameon=False)
    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=DPI)


def _stretches(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where flags, (N,) bool, stand in a row: first place, and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
