"""Plot of what reaches a model: waveform, network input, and network input with augmentation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.plots.style import LIGHT, png_figure


def plot_model_input(
    path: Path,
    waves: Sequence[Any],
    images: Sequence[Sequence[Any]],
    *,
    names: Sequence[str],
    sample_rate: int,
    input_s: float,
    image_s: float,
    rows: int,
) -> None:
    """Write a row of panels a clip.

    Args:
        path: of the image.
        waves: one a clip, (T,).
        images: the network input, and then each augmented one: of every clip an array (M, F).
        names: one a clip.
        sample_rate: of the waves, Hz.
        input_s: seconds of a wave that the model receives; the rest is grey.
        image_s: seconds that a network input spans.
        rows: of a network input, such as mel bands.
    """
    titles = ["waveform", "network input", *["augmented, as in training"] * (len(images) - 1)]
    low, high = (float(bound(images[0])) for bound in (np.min, np.max))
    with png_figure(path, 3.4 * len(titles), 0.6 + 2.1 * len(waves)) as figure:
        panels = figure.subplots(len(waves), len(titles), squeeze=False, sharex="col")
        for row, (name, wave) in enumerate(zip(names, waves, strict=True)):
            seconds = np.arange(len(wave)) / sample_rate
            used = seconds < input_s
            first = panels[row, 0]
            first.plot(seconds[used], wave[used], linewidth=0.4, color=LIGHT["main"])
            first.plot(seconds[~used], wave[~used], linewidth=0.4, color=LIGHT["rule"])
            first.set_ylabel(name)
            for axes, image in zip(panels[row, 1:], images, strict=True):
                axes.imshow(
                    image[row],
                    origin="lower",
                    aspect="auto",
                    vmin=low,
                    vmax=high,
                    extent=(0, image_s, 0, rows),
                    interpolation="nearest",
                    cmap="magma",
                )
        for axes, title in zip(panels[0], titles, strict=True):
            axes.set_title(title)
        for axes in panels[-1]:
            axes.set_xlabel("seconds")
        for axes in panels[:, 1]:
            axes.set_ylabel("mel band")
