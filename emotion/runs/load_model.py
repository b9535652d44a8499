"""Opens the best model of a run."""

from pathlib import Path
from typing import Any

from emotion.errors import ModelError, RunError
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.run import Run


def open_model(run: Run) -> EmotionClassifier:
    """Return the best model of a run, ready to predict, on the CPU.

    Raises:
        RunError: the run has no intact checkpoint.
        ModelError: the checkpoint has other classes or another architecture.
    """
    if not run.best.is_file():
        raise RunError(
            f"{run.folder} has no best.ckpt: it did not finish an epoch. Try resume={run.folder}."
        )
    checkpoint = read_checkpoint(run.best)
    model = build_model(run.settings.model, run.labels)
    load_weights(model, checkpoint, run.folder)
    return model.eval()


def load_weights(model: EmotionClassifier, checkpoint: dict[str, Any], folder: Path) -> None:
    """Load the weights of a checkpoint; raise ModelError for other classes or architectures."""
    model.on_load_checkpoint(checkpoint)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, KeyError) as err:
        raise ModelError(
            f"the weights in {folder} do not fit the model of its config.yaml. "
            "Check whether the file, or the code of the model, was changed since."
        ) from err
