"""The plot of a benchmark has a row for each row of its table."""

from pathlib import Path

import pandas as pd
from PIL import Image

from emotion.plots.benchmark_plot import plot_benchmark


def test_plot_grows_with_the_table(tmp_path: Path) -> None:
    row = {"name": "runs/a/export", "runtime": "onnx", "device": "cpu"}
    row |= {"p50_ms": 1.5, "clips_per_s_1": 10.0, "clips_per_s_8": 40.0, "cold_start_s": 2.0}
    heights = []
    for count in (1, 8):
        plot_benchmark(pd.DataFrame([row] * count), tmp_path / "benchmark.png")
        with Image.open(tmp_path / "benchmark.png") as image:
            heights.append(image.height)
    assert heights[1] > heights[0]
