"""Plot of a benchmark: latency, throughput and cold start of each model."""

from pathlib import Path

import pandas as pd

from emotion.plots.style import LIGHT, png_figure


def plot_benchmark(table: pd.DataFrame, path: Path) -> None:
    """Write bars of the rows of benchmark.csv, one panel a quantity."""
    panels = {
        "one clip, median, ms": table["p50_ms"],
        "maximum clips a second": table.filter(regex="^clips_per_s_").max(axis=1),
        "cold start, s": table["cold_start_s"],
    }
    names = [
        f"{_short_name(name)} {runtime}, {device}"
        for name, runtime, device in table[["name", "runtime", "device"]].itertuples(index=False)
    ]
    with png_figure(path, 11, 1.2 + 0.34 * len(table)) as figure:
        all_axes = figure.subplots(1, len(panels), sharey=True)
        for axes, (title, values) in zip(all_axes, panels.items(), strict=True):
            texts = [f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in values]
            axes.bar_label(axes.barh(names, values, color=LIGHT["main"]), texts, padding=3)
            axes.set_title(title)
            axes.margins(x=0.2)
        figure.axes[0].invert_yaxis()


def _short_name(name: str) -> str:
    """Return the last part of a path that distinguishes runs."""
    path = Path(name)
    return path.parent.name if path.name == "export" else path.name
