"""Confusion matrix as a PNG image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion.plots.style import draw_heat_map, png_figure


def plot_confusion_matrix(
    counts: npt.NDArray[np.int64], labels: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a confusion matrix, (C, C): clips, and their fraction of the row as text and colour."""
    clips = counts.sum(axis=1, keepdims=True)
    fractions = np.divide(counts, clips, out=np.zeros(counts.shape), where=clips > 0)
    texts = [
        [f"{n:,}\n{fraction:.0%}" for n, fraction in zip(*row, strict=True)]
        for row in zip(counts, fractions, strict=True)
    ]
    side = 1.6 + 0.72 * len(labels)
    with png_figure(path, side + 0.4, side) as figure:
        axes = figure.subplots()
        draw_heat_map(axes, fractions, texts, rows=labels, columns=labels)
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
        axes.set(xlabel="predicted", ylabel="true", title=title)
