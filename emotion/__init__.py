"""Speech emotion classification: `load` opens a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.runtime.base import EmotionModel


def load(folder: Path | str) -> "EmotionModel":
    """Return what hears emotions as the model in a folder does.

    An export folder needs no PyTorch, and none is imported; a run folder does.

    Raises:
        RunError: the folder is neither, or damaged.
    """
    from emotion.inference.load_models import open_models

    return open_models([str(folder)], Path("outputs"))
