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
        waves: one a clip, (T,), as `names`.
        images: the network input, and then each augmented one: of every clip an array (M, F).
        sample_rate: of the waves, Hz.
        input_s: seconds of a wave that the model receives; the rest is grey.
        image_s: seconds that a network input spans.
        rows: of a network input, such as mel bands.
    """
    titles = ["waveform", "network input", *["augmented, as in training"] * (len(images) - 1)]
    shades: dict[str, Any] = {"vmin": float(np.min(images[0])), "vmax": float(np.max(images[0]))}
    shades |= {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": "magma"}
    with png_figure(path, 3.4 * len(titles), 0.6 + 2.1 * len(waves)) as figure:
        panels = figure.subplots(len(waves), len(titles), squeeze=False, sharex="col")
        for row, (name, wave) in enumerate(zip(names, waves, strict=True)):
            seconds = np.arange(len(wave)) / sample_rate
            for used, colour in ((seconds < input_s, "main"), (seconds >= input_s, "rule")):
                panels[row, 0].plot(seconds[used], wave[used], linewidth=0.4, color=LIGHT[colour])
            panels[row, 0].set_ylabel(name)
            for axes, image in zip(panels[row, 1:], images, strict=True):
                axes.imshow(image[row], extent=(0, image_s, 0, rows), **shades)
            panels[row, 1].set_ylabel("mel band")
        for column, title in zip(panels.T, titles, strict=True):
            column[0].set_title(title)
            column[-1].set_xlabel("seconds")
