"""Style of all plots: the colours, which pages share, and PNG files drawn with matplotlib."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from emotion.utils.files import written_whole

LIGHT = {
    "paper": "#fcfdfd",
    "ink": "#16212b",
    "quiet": "#54626d",
    "rule": "#d3dbe0",
    "wash": "#f0f4f6",
    "main": "#0e6282",
    "miss": "#a84c08",
    "alarm": "#b3231c",
}
DARK = LIGHT | {
    "paper": "#10161b",
    "ink": "#e4eaee",
    "quiet": "#a0b0bb",
    "rule": "#2f3c46",
    "wash": "#182128",
    "main": "#5cb8d8",
    "miss": "#eb9f58",
    "alarm": "#f0867f",
}
"""Colours of a page by role, on a light and on a dark screen; plots use the light ones."""

LABEL_COLOURS = (
    "#4e79a7", "#e15759", "#76b7b2", "#b07aa1", "#f1ce63", "#bab0ac", "#59a14f", "#ff9da7",
)  # fmt: skip
"""Colours of the labels, in their order: distinct in print and for most colour-blind readers."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.edgecolor": LIGHT["quiet"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": LIGHT["ink"],
    "text.parse_math": False,
    "xtick.color": LIGHT["quiet"],
    "ytick.color": LIGHT["quiet"],
    "figure.titlesize": "medium",
    "legend.frameon": False,
}
"""Settings of matplotlib for every figure."""


@contextmanager
def png_figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yield an empty figure in inches, and write it to `path` when the block ends."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure((width, height), layout="constrained")
        yield figure
        with written_whole(path) as file:
            figure.savefig(file, format="png", dpi=120, metadata={"Software": None})


def draw_heat_map(axes: Any, shades: Any, texts: Any, *, rows: Any, columns: Any) -> None:
    """Draw a table, (R, C): each cell's text on a colour from white, 0, to the darkest, 1."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("main", ["white", LIGHT["main"]])
    axes.imshow(shades, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for row, column in product(range(len(rows)), range(len(columns))):
        colour = "white" if shades[row][column] > 0.5 else LIGHT["ink"]
        axes.text(column, row, texts[row][column], ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelcolor=LIGHT["ink"])
    axes.spines[:].set_visible(False)
