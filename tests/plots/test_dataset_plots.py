"""The plots of a dataset exist for any corpus, silent ones included."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from emotion.plots.dataset_plots import plot_dataset


def test_a_corpus_of_silent_clips_is_plotted(tmp_path: Path) -> None:
    clips = pd.DataFrame(
        {
            "corpus": ["a"] * 5 + ["b"] * 5,
            "seconds": np.linspace(1, 2, 10),
            "level_db": [-20.0] * 5 + [-120.0] * 5,
            "loudest_db": [-10.0] * 5 + [-120.0] * 5,
        }
    )
    emotions = pd.DataFrame({"sad": [5, 0], "angry": [0, 5]}, index=["a", "b"])
    plot_dataset(clips, emotions, tmp_path, duration_ms=1500)
    assert {path.name for path in tmp_path.iterdir()} == {"lengths.png", "levels.png", "labels.png"}
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            image.verify()
