"""Checkpoints that are whole, checked when they are read, and never run code."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from emotion.errors import RunError
from emotion.utils.files import file_digest, write_text, written_whole

log = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints with a checksum beside each, and keeps the one before the last."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; see `write_checkpoint`."""
        path = Path(path)
        aside = path.with_name(PREVIOUS) if path.name == LAST else None
        write_checkpoint(path, checkpoint, aside=aside)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint, whose callbacks look for the others where it lies now."""
        checkpoint = read_checkpoint(Path(path))
        for state in checkpoint.get("callbacks", {}).values():
            if "best_model_path" in state:
                state |= _moved(state, Path(path).resolve().parent)
        return checkpoint


def write_checkpoint(
    path: Path, checkpoint: Mapping[str, Any], *, aside: Path | None = None
) -> None:
    """Write a checkpoint and its checksum; a kill at any moment leaves a whole one.

    While a file is replaced, its checksums are two: of what lies there, and of what comes.

    Args:
        path: takes the checkpoint once that is whole and on the disk.
        checkpoint: tensors and plain values.
        aside: takes the file that lay at `path` before.
    """
    with written_whole(path) as file:
        torch.save(dict(checkpoint), file)
        file.flush()
        digest = file_digest(Path(file.name))
        if aside is not None and path.exists():
            _write_checksums(aside, _checksums(path))
            path.replace(aside)
        before = _checksums(path) if path.exists() else []
        _write_checksums(path, [*before, digest])
    if before:
        _write_checksums(path, [digest])


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
    expected = _checksums(path)
    if not expected:
        return "was not written to its end"
    if file_digest(path) not in expected:
        return "is damaged: its checksum does not fit"
    return ""


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint to go on from; a damaged one is passed over, and said.

    Returns:
        The file, or None where a run has to set out anew: nothing was written yet, or the first
        checkpoint, which none came before, is damaged.

    Raises:
        RunError: the last two are damaged.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    problems = {path: checkpoint_problem(path) for path in (last, previous) if path.exists()}
    for path, problem in problems.items():
        if not problem:
            return path
        rest = "the one before" if previous in problems else "the beginning"
        log.warning("%s %s; going on from %s", path, problem, rest)
    if previous in problems:
        raise RunError(
            f"{folder} holds no whole checkpoint: {LAST} and {PREVIOUS} are damaged. Bring one "
            "back, with its .sha256; or delete both, and resume= trains from the beginning."
        )
    return None


def epochs_done(checkpoint: Mapping[str, Any]) -> int:
    """Return how many epochs a checkpoint has behind it, one under way not counted."""
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def drop_after(path: Path) -> None:
    """Delete the damaged last checkpoint where a run goes on from the one before.

    Else the next one would set it aside, in the place of the only whole one.
    """
    if path.name == PREVIOUS:
        path.with_name(LAST).unlink(missing_ok=True)


def _checksums(path: Path) -> list[str]:
    """Return what a checkpoint's digest may be: the last one, once the file is in its place."""
    file = path.with_name(f"{path.name}.sha256")
    return file.read_text(encoding="utf-8").split() if file.is_file() else []


def _write_checksums(path: Path, digests: Sequence[str]) -> None:
    write_text(path.with_name(f"{path.name}.sha256"), "".join(f"{each}\n" for each in digests))


def _moved(state: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the paths of a ModelCheckpoint's state as they are in another folder."""
    names = ("best_model_path", "kth_best_model_path", "last_model_path")

    def move(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    return {
        "dirpath": str(folder),
        "best_k_models": {move(path): score for path, score in state["best_k_models"].items()},
        **{name: move(state[name]) for name in names},
    }
