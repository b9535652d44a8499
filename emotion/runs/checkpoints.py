"""Reads and writes checkpoints: complete after a kill, with a checksum, free of code."""

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
    """Lightning's checkpoint plugin: adds a checksum to each file, and keeps the previous one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; see `write_checkpoint`."""
        path = Path(path)
        previous = path.with_name(PREVIOUS) if path.name == LAST else None
        write_checkpoint(path, checkpoint, previous=previous)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint; paths in its callbacks are those of the folder that it is in now."""
        checkpoint = read_checkpoint(Path(path))
        for state in checkpoint.get("callbacks", {}).values():
            if "best_model_path" in state:
                state |= _with_folder(state, Path(path).resolve().parent)
        return checkpoint


def write_checkpoint(
    path: Path, checkpoint: Mapping[str, Any], *, previous: Path | None = None
) -> None:
    """Write tensors and plain values with a checksum; a kill at any moment leaves an intact file.

    The old file is moved to `previous`, or deleted, once the new one is complete and on the disk.
    While it is replaced, the checksum file has two lines: of the old file and of the new one.
    """
    with written_whole(path) as file:
        torch.save(dict(checkpoint), file)
        file.flush()
        digest = file_digest(Path(file.name))
        if previous is not None and path.exists():
            _write_checksums(previous, _checksums(path))
            path.replace(previous)
        before = _checksums(path) if path.exists() else []
        _write_checksums(path, [*before, digest])
    if before:
        _write_checksums(path, [digest])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint, on the CPU.

    Raises:
        RunError: it is missing or damaged, or it contains more than tensors and plain values.
    """
    if problem := checkpoint_problem(path):
        raise RunError(f"checkpoint {path} {problem}.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # the unpickler raises many kinds
        raise RunError(
            f"checkpoint {path} contains more than tensors and plain values, which could run code."
        ) from err
    if not isinstance(checkpoint, dict):
        raise RunError(f"{path} does not hold a checkpoint.")
    return checkpoint


def checkpoint_problem(path: Path) -> str:
    """Return the problem of a checkpoint file; empty for an intact one."""
    if not path.is_file():
        return "does not exist"
    if not (expected := _checksums(path)):
        return "is incomplete: it has no checksum"
    return "" if file_digest(path) in expected else "is damaged: its checksum does not match"


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest intact checkpoint; a damaged one is skipped with a warning.

    None where training starts again: no checkpoint was written yet, or the only one is damaged.

    Raises:
        RunError: both checkpoints are damaged.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    problems = {path: checkpoint_problem(path) for path in (last, previous) if path.exists()}
    for path, problem in problems.items():
        if not problem:
            return path
        start = "the previous checkpoint" if previous in problems else "the beginning"
        log.warning("%s %s; training continues from %s", path, problem, start)
    if previous in problems:
        raise RunError(
            f"{folder} has no intact checkpoint: {LAST} and {PREVIOUS} are damaged. Restore one of "
            "them with its .sha256 file, or delete both: resume= then trains from the beginning."
        )
    return None


def epochs_done(checkpoint: Mapping[str, Any]) -> int:
    """Return the number of completed epochs at a checkpoint."""
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def delete_damaged_last(path: Path) -> None:
    """Delete a damaged last.ckpt where a run is resumed from previous.ckpt.

    Otherwise the next checkpoint would replace previous.ckpt, the only intact file, with it.
    """
    if path.name == PREVIOUS:
        path.with_name(LAST).unlink(missing_ok=True)


def _checksums(path: Path) -> list[str]:
    """Return the allowed digests of a checkpoint; empty without a checksum file."""
    file = path.with_name(f"{path.name}.sha256")
    return file.read_text(encoding="utf-8").split() if file.is_file() else []


def _write_checksums(path: Path, digests: Sequence[str]) -> None:
    write_text(path.with_name(f"{path.name}.sha256"), "".join(f"{each}\n" for each in digests))


def _with_folder(state: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the paths in the state of a ModelCheckpoint, moved to another folder."""

    def move(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    best = {move(path): score for path, score in state["best_k_models"].items()}
    moved: dict[str, Any] = {name: move(state[name]) for name in names}
    return moved | {"dirpath": str(folder), "best_k_models": best}
