"""Confusion matrix as a PNG image."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt

SPARSE = 12
"""Up to so many points a line shows each as a dot."""


def confusion_png(counts: npt.NDArray[np.int64], labels: Sequence[str], *, title: str) -> bytes:
    """Return a picture of a confusion matrix, (C, C): counts, coloured by the share of its row."""
    from matplotlib.figure import Figure

    clips = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, clips, out=np.zeros(counts.shape), where=clips > 0)
    side = 1.6 + 0.72 * len(labels)
    figure = Figure(figsize=(side + 0.4, side), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if share[row, column] > 0.6 else "#16212b"
        text = f"{counts[row, column]:,}\n{share[row, column]:.0%}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
