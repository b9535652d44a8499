"""Paths in the saved settings of a run that is opened elsewhere, or whose clips were moved."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion.config.schema import TrainSettings


def relocate(
    settings: TrainSettings, *, started_in: str | None, root: str | None = None
) -> TrainSettings:
    """Return the settings of a run with paths that lead to its files from the current folder.

    A relative path is relative to the folder in which the run was started, `started_in`, if the
    file is still there, else to the current folder. `root` replaces the folder of the clips; a
    table of clips that was below the old folder is then below the new one.
    """

    def found(path: str) -> str:
        return str(_from_folder(path, started_in))

    dataset = {**settings.dataset, "root": found(settings.dataset["root"])}
    if table := settings.dataset.get("path"):
        dataset["path"] = found(table)
    if root is not None:
        dataset = move_clips(dataset, root)
    split = settings.split
    if path := split.get("path"):
        split = {**split, "path": found(path)}
    return replace(
        settings,
        output_root=found(settings.output_root),
        cache_dir=found(settings.cache_dir),
        init_from=settings.init_from and found(settings.init_from),
        dataset=dataset,
        split=split,
    )


def _from_folder(path: str, folder: str | None) -> Path:
    """Return a path relative to a folder, if it exists there, else relative to the current one."""
    if folder is None or Path(folder) == Path.cwd():
        return Path(path)
    there = Path(folder, path)
    return there if there.exists() else Path(path)


def move_clips(dataset: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Return the settings of a dataset whose folder, with all that is below it, was moved."""
    if root == dataset["root"]:
        return dict(dataset)
    moved = {**dataset, "root": root}
    table, old = Path(dataset.get("path") or ""), Path(dataset["root"])
    if dataset.get("path") and table.absolute().is_relative_to(old.absolute()):
        moved["path"] = str(Path(root) / table.absolute().relative_to(old.absolute()))
    return moved
