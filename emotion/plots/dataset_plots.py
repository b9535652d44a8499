"""Plots of a dataset: length and level of its clips, and clips of each emotion."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion.audio.clip_statistics import SILENT_DB
from emotion.plots.style import LIGHT, draw_heat_map, png_figure


def plot_dataset(
    clips: pd.DataFrame, emotions: pd.DataFrame, folder: Path, *, duration_ms: int
) -> None:
    """Write lengths.png, levels.png and labels.png.

    Args:
        clips: a row a clip: corpus, seconds, level_db and loudest_db.
        emotions: clips of each emotion, a row a corpus, a column an emotion.
        duration_ms: the suggested duration, marked in the histogram of lengths.
    """
    mark, title = duration_ms / 1000, f"Length of the clips; dashed: {duration_ms:,} ms"
    _plot_histograms(clips, "seconds", folder / "lengths.png", "length, s", title, mark=mark)
    voiced = clips[clips["loudest_db"] >= SILENT_DB]
    label = "level of the parts that are not silent, dB re full scale"
    _plot_histograms(voiced, "level_db", folder / "levels.png", label, "Level of the clips")
    with png_figure(folder / "labels.png", 8, 1.3 + 0.5 * len(emotions)) as figure:
        axes = figure.subplots()
        fractions = emotions.div(emotions.sum(axis=1), axis=0).to_numpy()
        texts = emotions.map(lambda count: f"{count:,}" if count else "–").to_numpy()
        shades = fractions / (1.5 * fractions.max())  # dark cells with legible text
        draw_heat_map(axes, shades, texts, rows=emotions.index, columns=emotions.columns)
        axes.set_title("Clips of each emotion; darker: a larger fraction of the corpus")


def _plot_histograms(
    clips: pd.DataFrame, column: str, path: Path, label: str, title: str, *, mark: Any = None
) -> None:
    """Write a histogram for each corpus, one below the other, over one axis."""
    groups = list(clips.groupby("corpus")[column])
    edges = np.histogram_bin_edges(clips[column], bins=80)
    with png_figure(path, 8, 1.2 + 1.2 * len(groups)) as figure:
        panels = figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
        for axes, (corpus, values) in zip(panels, groups, strict=True):
            axes.hist(values, edges, color=LIGHT["main"])
            axes.set(title=f"{corpus}, median {values.median():.2f}", ylabel="clips")
            if mark is not None:
                axes.axvline(mark, color=LIGHT["ink"], linewidth=1, linestyle="--")
        panels[-1].set_xlabel(label)
        figure.suptitle(title)
