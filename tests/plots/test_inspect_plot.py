"""The plot of the model input takes clips of different lengths."""

from pathlib import Path

import numpy as np
from PIL import Image

from emotion.plots.inspect_plot import plot_model_input


def test_every_augmented_input_adds_a_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=samples) for samples in (8_000, 24_000)]
    widths = []
    for count in (1, 3):
        plot_model_input(
            tmp_path / "inspect.png",
            waves,
            [rng.normal(size=(2, 32, 40)) for _ in range(count)],
            names=["a", "b"],
            sample_rate=16_000,
            input_s=1.0,
            image_s=1.0,
            rows=32,
        )
        with Image.open(tmp_path / "inspect.png") as image:
            widths.append(image.width)
    assert widths[1] > widths[0]
