"""Runs and caches on disk, each with the reason to keep it.

Folders that are neither are not listed, so that `emotion prune` cannot delete them.
"""

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from emotion.errors import RunError
from emotion.runs.references import is_run, references
from emotion.runs.run import Run
from emotion.utils.locks import LOCK, try_exclusive_lock

IN_USE = "in use"
DELETED = "deleted by another process"
RECENT_SECONDS = 3600
"""An unfinished run that changed within this time may be in progress on another machine."""

RUNS = ("train/*", "sweeps/*/*", "studies/*/cells/*")
"""Patterns of run folders below the output root."""

CACHES = {
    "waves": r"[0-9a-f]{20}(\.partial)?",
    "features": r"[0-9a-f]{20}(\.partial)?",
    "synthetic": r"v\d+-seed\d+-\d+x\d+(\.partial)?",
}
"""Folders of the cache folder, with the pattern of the names of caches in them."""


@dataclass(frozen=True)
class Item:
    """A run or a cache, last used or changed at `used`, in seconds since the epoch.

    `lock` is locked while it is in use; `keep_reason` is empty if it may be deleted.
    """

    kind: Literal["caches", "runs"]
    path: Path
    bytes: int
    used: float
    lock: Path
    keep_reason: str = ""


def find_items(output_root: Path, cache_dir: Path) -> list[Item]:
    """Return all runs and caches, except those behind symbolic links."""
    runs = [folder for pattern in RUNS for folder in _folders(output_root, pattern)]
    caches = [
        _cache_item(folder)
        for parent, pattern in CACHES.items()
        for folder in _folders(cache_dir, f"{parent}/*")
        if re.fullmatch(pattern, folder.name)
    ]
    return [_run_item(run) for run in runs if is_run(run)] + caches


def look_again(item: Item) -> Item:
    """Return an item as it is now, while this process has its lock.

    It has a reason to be kept if it was used, changed or deleted since it was listed.
    """
    if not item.path.is_dir():
        return replace(item, keep_reason=DELETED)
    now = (_run_item if item.kind == "runs" else _cache_item)(item.path, own_lock=True)
    used = not now.keep_reason and now.used > item.used
    return replace(now, keep_reason=IN_USE) if used else now


def _run_item(run: Path, *, own_lock: bool = False) -> Item:
    size, changed = _size_and_time(run, ignored=LOCK)
    citing, reason = references(run), ""
    locks = [run / LOCK] * (not own_lock) + list(run.glob(".*.emotion-*.lock"))  # export
    recent = time.time() - changed < RECENT_SECONDS
    if any(map(_locked, locks)) or (recent and not _finished(run)):
        reason = "in progress"
    elif run.parent.name == "cells":
        reason = f"part of the study {run.parent.parent}"
    elif citing:
        reason = f"cited by {citing[0]}"
    elif (run / "export").is_dir():
        reason = "has an export"
    return Item("runs", run, size, changed, run / LOCK, reason)


def _cache_item(folder: Path, *, own_lock: bool = False) -> Item:
    """Return a cache; one that is not complete has the lock of its builder, beside it."""
    lock = folder.with_suffix(".lock") if folder.suffix == ".partial" else folder / LOCK
    reason = IN_USE if not own_lock and _locked(lock) else ""
    return Item("caches", folder, *_size_and_time(folder), lock, reason)


def _finished(run: Path) -> bool:
    try:
        return Run(run).finished
    except RunError:  # a damaged metrics.json
        return False


def _locked(file: Path) -> bool:
    with try_exclusive_lock(file) as free:
        return not free


def _folders(root: Path, pattern: str) -> list[Path]:
    """Return the folders that match a pattern below a root, without links and hidden ones."""
    found = (path for path in sorted(root.glob(pattern)) if not path.name.startswith("."))
    return [path for path in found if path.is_dir() and path.resolve() == path]


def _size_and_time(folder: Path, *, ignored: str = "") -> tuple[int, float]:
    """Return the size of a folder's files in bytes, and the time of the latest change."""
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    files = [path.lstat() for path in paths if path != folder / ignored]
    times = [file.st_mtime for file in files] or [folder.stat().st_mtime]
    return sum(file.st_size for file in files), max(times)
