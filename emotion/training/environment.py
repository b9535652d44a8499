"""What a run needs said to be repeated: versions, machine, commit."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from emotion.config.composition import Config

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


def describe() -> dict[str, Any]:
    """Return versions, device, processor and commit, as plain values."""
    import torch

    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
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
    """Return the commit of the source tree, with + where it was changed since; None elsewhere."""
    source = Path(__file__).parent.parent
    if not (source / ".git").exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(source), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")


def log_hyperparameters(logger: Any, config: Config, figures: dict[str, float]) -> None:
    """Give a logger the settings that runs differ in, and what they came to."""
    from lightning.pytorch.loggers import TensorBoardLogger

    settings = {
        "model": config["model._target_"].rpartition(".")[2],
        "corpora": ", ".join(config["dataset"].get("readers", {}) or ["own"]),
        "split": config["split._target_"].rpartition(".")[2],
        "batch_size": config["loader.batch_size"],
        "lr": config["trainer.optimizer"].get("lr"),
        "max_epochs": config["trainer.max_epochs"],
        "seed": config["seed"],
    }
    if isinstance(logger, TensorBoardLogger):
        logger.log_hyperparams(settings, figures)
    else:
        logger.log_hyperparams(settings)
        logger.log_metrics(figures)
    logger.save()
