"""What lies under the output root and in the cache: every run and cache, and what holds it.

A run is held by whatever cites it: a sweep's or a study's table, another run's settings, another
run's comparison, a benchmark; by an export in it; or by being under way. A cache is held by whoever
builds or reads it. What is neither run nor cache is not here at all, so nobody drops it.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from emotion.errors import RunError
from emotion.runs.run import Run

UNDER_WAY = "under way"
UNDER_WAY_SECONDS = 3600
"""An unfinished run whose files changed so lately may be training, on another machine too."""

RUNS = ("train/*", "sweeps/*/*", "studies/*/cells/*")
TABLES = (
    "sweeps/*/*.csv",
    "studies/*/*.csv",
    "studies/*/*.json",
    "benchmark/*/*.csv",
    "evaluate/*/config.yaml",
)
"""Tables that may name a run, below the output root."""

CACHES = {
    "waves": r"[0-9a-f]{20}(\.partial)?",
    "features": r"[0-9a-f]{20}(\.partial)?",
    "synthetic": r"v\d+-seed\d+-\d+x\d+",
}
"""Folders of the cache, and the names of what is a cache in them."""


@dataclass(frozen=True)
class Item:
    """A run or a cache.

    Args:
        kind: what it is.
        path: its folder.
        bytes: what it takes on the disk.
        used: when it was last used, seconds since the epoch.
        held: why it must stay; empty where it need not.
        lock: whom its builders hold.
    """

    kind: Literal["caches", "runs"]
    path: Path
    bytes: int
    used: float
    held: str = ""
    lock: Path | None = None


def find_items(output_root: Path, cache_dir: Path) -> list[Item]:
    """Return all runs and caches; links are none."""
    opened = files_in_use()
    folders = [folder for pattern in RUNS for folder in _folders(output_root, pattern)]
    runs = [Run(folder) for folder in folders if is_run(folder)]
    cited = find_citations(runs, output_root)
    items = [_run_item(run, cited.get(run.folder, ""), opened) for run in runs]
    users: dict[str, list[Item]] = {}
    for run, item in zip(runs, items, strict=True):
        users.setdefault(_waves_of(run), []).append(item)
    caches = find_caches(cache_dir)
    return items + [_cache_item(folder, users, opened) for folder in caches]


def is_run(folder: Path) -> bool:
    """Return whether a folder has what every run begins with."""
    return all((folder / name).is_file() for name in ("config.yaml", "split.csv"))


def find_caches(cache_dir: Path) -> list[Path]:
    """Return the folders of waveforms, spectrograms and synthetic clips, unfinished ones too."""
    return [
        folder
        for place, pattern in CACHES.items()
        for folder in _folders(cache_dir, f"{place}/*")
        if re.fullmatch(pattern, folder.name)
    ]


def find_citations(runs: Sequence[Run], output_root: Path) -> dict[Path, str]:
    """Return, by run folder, what cites it."""
    files = [path for pattern in TABLES for path in sorted(output_root.glob(pattern))]
    files += [run.folder / "config.yaml" for run in runs]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files}
    compared = {
        path.parent.name.removeprefix("against_"): path
        for run in runs
        for path in run.folder.glob("evaluate/against_*/comparison.json")
    }
    cited = {}
    for run in runs:
        place, name = run.folder.parent, run.folder.name
        full = re.compile(rf"(?<![\w.-]){re.escape(place.name)}/{re.escape(name)}(?![\w.-])")
        naming = (path for path, text in texts.items() if full.search(text))
        first = next((path for path in naming if path.parent != run.folder), compared.get(name))
        if place.name == "cells":
            cited[run.folder] = f"a cell of {place.parent}"
        elif first is not None:
            cited[run.folder] = f"cited by {first}"
    return cited | _latest_citations(runs, texts)


def _latest_citations(runs: Sequence[Run], texts: Mapping[Path, str]) -> dict[Path, str]:
    """Return, by run folder, who began from it as init_from=latest: the newest one before."""
    cited = {}
    for run in runs:
        before = [
            other.folder
            for other in runs
            if other.folder.parent.name == "train" and other.folder.name < run.folder.name
        ]
        if before and "\ninit_from: latest\n" in texts[run.folder / "config.yaml"]:
            cited[max(before)] = f"cited by {run.folder / 'config.yaml'}"
    return cited


def files_in_use() -> frozenset[str]:
    """Return the files that processes of this machine have open or mapped, as far as one may see.

    Those of other users may be hidden; on macOS only open files are seen.
    """
    found: set[str] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # gone, or another user's
            found.update(file.path for file in process.open_files())
            found.update(_mapped_files(Path(f"/proc/{process.pid}/maps")))
    return frozenset(found)


def _mapped_files(maps: Path) -> list[str]:
    """Return the files in a process' map of its memory: the sixth column, where it is a path.

    psutil's own memory_maps also counts pages, which takes ten times as long.
    """
    if not maps.exists():
        return []
    columns = (line.split(maxsplit=5) for line in maps.read_text(errors="replace").splitlines())
    return [column[5] for column in columns if len(column) > 5 and column[5].startswith("/")]


def _run_item(run: Run, cited: str, opened: Collection[str]) -> Item:
    size, changed = _measure(run.folder)
    fresh = not run.finished and time.time() - changed < UNDER_WAY_SECONDS
    held = cited
    if fresh or _in_use(run.folder, opened):
        held = UNDER_WAY
    elif not held and (run.folder / "export").is_dir():
        held = "has an export"
    return Item("runs", run.folder, size, changed, held)


def _cache_item(folder: Path, users: Mapping[str, Sequence[Item]], opened: Collection[str]) -> Item:
    """Return a cache; `users` are the runs by the key of the waveforms that they are fed."""
    size, changed = _measure(folder)
    name = folder.name.removesuffix(".partial")
    lock, about = folder.with_name(f"{name}.lock"), folder / "about.json"
    waves = name
    if folder.parent.name == "features" and about.is_file():
        waves = str(json.loads(about.read_text(encoding="utf-8")).get("waves", name))
    runs = users.get(waves, ())
    held = ""
    if _locked(lock):
        held = "a process builds it"
    elif _in_use(folder, opened) or any(run.held == UNDER_WAY for run in runs):
        held = "a process reads it"
    return Item("caches", folder, size, max([changed, *(run.used for run in runs)]), held, lock)


def _waves_of(run: Run) -> str:
    """Return the key of the waveform cache that a run is fed from; empty where that is damaged."""
    try:
        return str(run.environment.get("fingerprints", {}).get("cache", ""))
    except RunError:
        return ""


def _locked(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _in_use(folder: Path, opened: Collection[str]) -> bool:
    inside = f"{folder}{os.sep}"
    return any(path.startswith(inside) for path in opened)


def _folders(root: Path, pattern: str) -> list[Path]:
    """Return the folders that a pattern finds below a root, those alone that really lie there."""
    found = (path for path in sorted(root.glob(pattern)) if not path.name.startswith("."))
    return [path for path in found if path.is_dir() and path.resolve() == path]


def _measure(folder: Path) -> tuple[int, float]:
    """Return the bytes of a folder's files, and when the latest of them changed."""
    size, changed = 0, folder.stat().st_mtime
    for place, _, names in os.walk(folder):
        for name in names:
            status = Path(place, name).lstat()
            size += status.st_size
            changed = max(changed, status.st_mtime)
    return size, changed
