"""The confusion matrix is a PNG that depends on nothing but its counts."""

from pathlib import Path

import numpy as np
from PIL import Image

from emotion.plots.confusion_matrix import plot_confusion_matrix


def test_same_counts_have_the_same_image(tmp_path: Path) -> None:
    counts = np.array([[3, 1], [0, 0]])  # a class without clips
    for name in ("a.png", "b.png"):
        plot_confusion_matrix(counts, ["$sad$", "angry"], tmp_path / name, title="4 test clips")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
    assert len(list(tmp_path.iterdir())) == 2, "no partial file is left"
