"""Plots have one style, whose colours pages share, and leave matplotlib's own settings alone."""

from pathlib import Path

import matplotlib
import pytest

from emotion.plots.style import DARK, LIGHT, png_figure
from emotion.plots.templates_env import load_page


def test_settings_of_matplotlib_are_restored(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with png_figure(tmp_path / "a.png", 2, 2) as figure:
        axes = figure.subplots()
        assert not axes.spines["top"].get_visible()
    assert dict(matplotlib.rcParams) == before


def test_a_plot_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plot"), png_figure(tmp_path / "a.png", 2, 2):
        raise ValueError("plot")
    assert not list(tmp_path.iterdir())


def test_pages_have_every_colour_of_both_schemes() -> None:
    css = load_page("style.css").render()
    assert set(DARK) == set(LIGHT)
    for name, colour in [*LIGHT.items(), *DARK.items()]:
        assert f"--{name}: {colour};" in css
