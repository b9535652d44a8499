"""Opens the best model of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.errors import RunError

if TYPE_CHECKING:
    from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.runs.run import Run


def open_model(run: Run) -> "EmotionClassifier":
    """Return the run's best model, ready to predict, on the CPU.

    Raises:
        RunError: the run has no whole checkpoint.
        ModelError: the checkpoint is of other classes or another architecture.
    """
    from emotion.runs.checkpoints import read_checkpoint

    if not run.best.is_file():
        raise RunError(
            f"{run.folder} has no best.ckpt: it did not finish an epoch. Try resume={run.folder}."
        )
    checkpoint = read_checkpoint(run.best)
    model = build_model(run.config)
    load_weights(model, checkpoint, run.folder)
    return model.eval()


def load_weights(model: "EmotionClassifier", checkpoint: dict[str, Any], folder: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        ModelError: they are of other classes or another architecture.
    """
    from emotion.errors import ModelError

    model.on_load_checkpoint(checkpoint)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, KeyError) as err:
        raise ModelError(
            f"the weights in {folder} do not fit the model of its config.yaml. "
            "Was the file, or the model's code, changed since?"
        ) from err
