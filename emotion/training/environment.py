"""Software and hardware of a run, needed to repeat it, and its hyperparameters for loggers."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from emotion.config.schema import TrainSettings

PACKAGES = (
    "emotion",
    "torch",
    "torchaudio",
    "lightning",
    "hydra-core",
    "timm",
    "numpy",
    "soundfile",
    "soxr",
)


def describe_environment() -> dict[str, Any]:
    """Return versions, device, processor and commit, as plain values."""
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if not devices and torch.backends.mps.is_available():
        devices = ["Apple MPS"]
    return {
        "versions": {"python": platform.python_version()} | versions(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "device": devices or ["CPU"],
        "threads": torch.get_num_threads(),
        "commit": commit(),
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(),
        "started_in": str(Path.cwd()),
    }


def versions() -> dict[str, str]:
    """Return the installed version of each package that a result depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str | None:
    """Return the commit of the source tree, with + after local changes; None outside a clone."""
    source = Path(__file__).parents[2]
    if not (source / ".git").exists():
        return None
    try:
        head = _git(source, "rev-parse", "HEAD")
        changes = _git(source, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")


def _git(source: Path, *words: str) -> str:
    command = ["git", "-C", str(source), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def log_hyperparameters(logger: Any, settings: TrainSettings, metrics: dict[str, float]) -> None:
    """Log the settings in which runs differ, and their final metrics."""
    from lightning.pytorch.loggers import TensorBoardLogger

    hyperparameters = {
        "model": settings.model["_target_"].rpartition(".")[2],
        "corpora": ", ".join(settings.dataset.get("readers") or ["own"]),
        "split": settings.split["_target_"].rpartition(".")[2],
        "batch_size": settings.loader.batch_size,
        "lr": settings.trainer.optimizer.get("lr"),
        "max_epochs": settings.trainer.max_epochs,
        "seed": settings.seed,
    }
    if isinstance(logger, TensorBoardLogger):
        logger.log_hyperparams(hyperparameters, metrics)
    else:
        logger.log_hyperparams(hyperparameters)
        logger.log_metrics(metrics)
    logger.save()
