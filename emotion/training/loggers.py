"""Loggers of Lightning that write metrics into the run folder."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from emotion.errors import DependencyError


def tensorboard(folder: Path) -> Logger:
    """Return a logger that writes TensorBoard events to `folder`/tensorboard."""
    return TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)


def csv(folder: Path) -> Logger:
    """Return a logger that writes `folder`/csv/metrics.csv."""
    return CSVLogger(folder, name="csv", version="")


def wandb(folder: Path, **settings: Any) -> Logger:
    """Return a Weights & Biases logger; DependencyError if the package is not installed."""
    try:
        return WandbLogger(save_dir=folder, name=folder.name, **settings)
    except ModuleNotFoundError as err:
        raise _not_installed("wandb") from err


def mlflow(folder: Path, **settings: Any) -> Logger:
    """Return an MLflow logger, by default to `folder`/mlflow; DependencyError without MLflow."""
    try:
        settings.setdefault("tracking_uri", f"file:{folder / 'mlflow'}")
        return MLFlowLogger(run_name=folder.name, **settings)
    except ModuleNotFoundError as err:
        raise _not_installed("mlflow") from err


def _not_installed(name: str) -> DependencyError:
    return DependencyError(f"logger={name} needs a package: pip install 'emotion[{name}]'.")
