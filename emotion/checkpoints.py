"""Checkpoints that are whole, checked when they are read, and never run code."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from emotion.errors import RunError
from emotion.files import file_digest, write_text, written_whole

log = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints with a checksum beside each, and keeps the one before the last."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint under its name once it is whole and on the disk."""
        path = Path(path)
        if path.name == LAST and path.exists():
            previous = path.with_name(PREVIOUS)
            checksum_file(previous).unlink(missing_ok=True)
            path.replace(previous)
            if checksum_file(path).exists():
                checksum_file(path).replace(checksum_file(previous))
        write_checkpoint(path, checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint; see `read_checkpoint`."""
        return read_checkpoint(Path(path))


def write_checkpoint(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Write a checkpoint and its checksum; without the second, the first does not count."""
    checksum_file(path).unlink(missing_ok=True)
    with written_whole(path) as file:
        torch.save(dict(checkpoint), file)
    write_text(checksum_file(path), file_digest(path) + "\n")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint, on the CPU.

    Raises:
        RunError: it is missing, damaged, or holds more than tensors and plain values.
    """
    problem = checkpoint_problem(path)
    if problem:
        raise RunError(f"checkpoint {path} {problem}.")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # the unpickler raises many kinds
        raise RunError(f"checkpoint {path} holds more than tensors and plain values.") from err
    return checkpoint


def checkpoint_problem(path: Path) -> str:
    """Return what is wrong with a checkpoint's file, or an empty text."""
    if not path.is_file():
        return "is not there"
    expected = checksum_file(path)
    if not expected.is_file():
        return "was not written to its end"
    if expected.read_text(encoding="utf-8").strip() != file_digest(path):
        return "is damaged: its checksum does not fit"
    return ""


def newest_checkpoint(folder: Path) -> Path:
    """Return the newest whole checkpoint to go on from; a damaged one is passed over, and said.

    Raises:
        RunError: there is none.
    """
    for path in (folder / LAST, folder / PREVIOUS):
        problem = checkpoint_problem(path)
        if not problem:
            return path
        if path.exists():
            log.warning("%s %s; going on from the one before", path, problem)
    raise RunError(f"{folder} holds no whole checkpoint.")


def checksum_file(path: Path) -> Path:
    """Return where a checkpoint's checksum lies."""
    return path.with_name(f"{path.name}.sha256")
