"""Speech emotion classification: `load` a trained model, or `train` one.

Nothing heavy is imported before one of them is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.inference.loaded_model import LoadedModel
    from emotion.runs.run import Run

__all__ = ["load", "train"]


def load(folder: str | Path, *, trust: Sequence[str] = ()) -> "LoadedModel":
    """Return the trained model of a run folder or an export folder.

    `load(folder).predict("clip.wav")` returns the rows that `emotion predict` writes. An export
    folder needs no PyTorch, and none is imported. `trust` names modules, such as "mine_models",
    whose classes a run of another person may use.

    Raises:
        RunError: the folder is neither, or it is damaged.
        ConfigError: a run of another person names classes of modules that are not trusted.
    """
    from emotion.inference.loaded_model import LoadedModel
    from emotion.utils.user_name import ensure_user_name

    ensure_user_name()
    return LoadedModel(folder, trust=trust)


def train(*overrides: str) -> "Run":
    """Train one run as `emotion train` does, and return it.

    Args:
        overrides: the words of the command line, such as "dataset=ravdess", "model=crnn".

    Returns:
        The run: `metrics` (a dictionary), `predictions` (a table) and `folder`.

    Raises:
        EmotionError: settings, clips or a split that cannot be used.
    """
    from emotion.utils.user_name import ensure_user_name

    ensure_user_name()
    from emotion.cli.train import train_from_python

    return train_from_python(overrides)
