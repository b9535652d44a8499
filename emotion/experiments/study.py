"""A study: protocols × models × trainers × folds × seeds as one table that survives a kill.

Every cell is a run folder below the study's folder. A finished cell is never run again, a stopped
one is resumed, a failed one is listed and run again on request.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from emotion.config.build import build
from emotion.config.composition import compose, first_line, shipped_file
from emotion.config.schema import GridSettings, StudySettings
from emotion.data.splits.base import TEST, Split, SplitProtocol
from emotion.errors import ConfigError, EmotionError
from emotion.experiments.study_table import CellRun, write_tables
from emotion.runs.run import Run
from emotion.utils.files import full_disk, write_json
from emotion.utils.signals import StopSignal

log = logging.getLogger(__name__)

OWN_KEYS = ("study", "name", "hydra", "resume", "trust")
"""Keys that belong to the study, and are not passed to its cells."""


@dataclass(frozen=True)
class Cell:
    """One run of a study: its position in the table, and its overrides."""

    folder: Path
    protocol: str
    row: str
    fold: int
    seed: int
    overrides: tuple[str, ...]

    @property
    def run(self) -> Run:
        """The cell's run folder."""
        return Run(self.folder)

    @property
    def failure(self) -> str:
        """The error of a failed cell; empty for all others."""
        path = self.failure_file
        return str(json.loads(path.read_text(encoding="utf-8"))["error"]) if path.exists() else ""

    @property
    def failure_file(self) -> Path:
        """The file with the error of a failed cell."""
        return self.folder.with_name(f"{self.folder.name}.failed.json")

    @property
    def lock(self) -> FileLock:
        """Lock of the process that runs the cell; it is released when the process ends."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder.with_name(f".{self.folder.name}.lock"))

    @property
    def done(self) -> bool:
        """Whether the cell is finished or has failed."""
        return self.run.finished or bool(self.failure)


def run_study(settings: StudySettings, words: Sequence[str]) -> tuple[str, bool]:
    """Run the missing cells of a study; return its table, and whether no cell failed.

    Args:
        settings: of the study.
        words: the overrides of the command line; those of runs are passed to every cell.
    """
    folder = _folder(settings)
    recorded = _recorded_table(settings.study.recorded)
    own = (*OWN_KEYS, "experiment") if settings.study.protocols else OWN_KEYS
    shared = [word for word in words if not word.lstrip("+~").startswith(own)]
    cells, left_out = plan_study(settings, folder, shared)
    _check_same(folder, settings.study, shared)
    if settings.study.retry:
        for cell in cells:
            cell.failure_file.unlink(missing_ok=True)
    todo = [cell for cell in cells if not cell.done]
    log.info("%d cells, %d of them to do", len(cells), len(todo))
    for wait in (False, True):  # first free cells, then those that other processes left
        left = [cell for cell in todo if not cell.done]
        _run_cells(left, jobs=settings.study.jobs, threads=settings.study.threads, wait=wait)
    failed = [cell for cell in cells if cell.failure]
    runs = [CellRun(cell.protocol, cell.row, cell.fold, cell.seed, cell.run) for cell in cells]
    common = " ".join(shared) or "no other settings"
    table = write_tables(folder, runs, settings=common, recorded=recorded)
    lines = [table, *left_out]
    lines += [f"failed: {cell.folder.name}: {cell.failure}" for cell in failed]
    if failed:
        lines.append("study.retry=true tries the failed cells again")
    lines.append(f"table: {folder / 'table.csv'}\nreport: {folder / 'report.html'}")
    return "\n".join(lines), not failed


def _folder(settings: StudySettings) -> Path:
    """Return the folder of a study, below the folder of all studies."""
    studies, name = Path(settings.output_root) / "studies", settings.name
    folder = Path(os.path.normpath(studies / name))
    if Path(os.path.normpath(studies)) not in folder.parents:
        raise ConfigError(f"name={name} must name a folder below {studies}, such as name=folds.")
    return folder


def plan_study(
    settings: StudySettings, folder: Path, shared: Sequence[str]
) -> tuple[list[Cell], list[str]]:
    """Return the cells of every protocol, and a line for each protocol without its corpora.

    Raises:
        EmotionError: no protocol can be run; the error of the first one.
    """
    protocols = dict(settings.study.protocols or {}) or {"": ""}
    cells: list[Cell] = []
    reasons: list[EmotionError] = []
    left_out = []
    for protocol, overrides in protocols.items():
        try:
            words = [*overrides.split(), *shared]
            cells += plan_cells(settings.study, folder, words, protocol=protocol)
        except EmotionError as err:
            reasons.append(err)
            left_out.append(f"left out: {protocol}: {first_line(err)}")
    if not cells and reasons:
        raise reasons[0]
    for line in left_out:
        log.warning(line)
    return cells, left_out


def plan_cells(
    grid: GridSettings, folder: Path, shared: Sequence[str], *, protocol: str = ""
) -> list[Cell]:
    """Return all cells of a protocol, by model, trainer, fold and seed.

    Raises:
        ConfigError: a fold that the protocol does not have.
    """
    folds = _folds(grid, shared)
    cells = []
    for entry, trainer, fold, seed in product(grid.models, grid.trainers, folds, grid.seeds):
        model, *own = entry.split()
        row = entry if len(grid.trainers) == 1 else f"{entry} {trainer}"
        name = re.sub(r"[^A-Za-z0-9_.=]+", "-", f"{protocol} {row}".strip())
        given = any(word.startswith("trainer=") for word in own)
        words = [*shared, f"model={model}", *own, *([] if given else [f"trainer={trainer}"])]
        # All seeds share one split: they vary the training, not the test clips.
        words += [f"seed={seed}", f"split.seed={grid.split_seed}"]
        words += [f"split.fold={fold}"] if len(folds) > 1 or fold else []
        path = folder / "cells" / f"{name}-fold{fold}-seed{seed}"
        cells.append(Cell(path, protocol, row, fold, seed, tuple(words)))
    return cells


def _folds(grid: GridSettings, shared: Sequence[str]) -> list[int]:
    """Return the folds of a study; for `all`, those whose test clips are on this disk."""
    from emotion.data.corpora.index import open_clips

    composition = compose("train", [word for word in shared if not word.startswith("-")])
    cell = composition.settings
    dataset, standard = build(cell.dataset, "dataset"), build(cell.preprocessing, "preprocessing")
    index, _ = open_clips(dataset, standard, cache_dir=Path(cell.cache_dir))
    if cell.split.get("fold") is None:
        return [0]

    def split_of(fold: int) -> Split:
        node = {**cell.split, "seed": grid.split_seed, "fold": fold}
        protocol: SplitProtocol = build(node, "split")
        return protocol.assign(index.table)

    count = split_of(0).folds
    folds = []
    for fold in range(count) if grid.folds == "all" else grid.folds:
        if not 0 <= fold < count:
            raise ConfigError(f"study.folds has {fold}; this protocol has folds 0…{count - 1}.")
        split = split_of(fold)
        if (split.subset == TEST).any():
            folds.append(fold)
        else:
            log.warning("fold %d is left out: %s", fold, "; ".join(split.notes))
    return folds


def _check_same(folder: Path, grid: GridSettings, shared: Sequence[str]) -> None:
    """Check that all cells of a study have the same settings."""
    path = folder / "study.json"
    settings: dict[str, Any] = {
        "overrides": sorted(shared),
        "split_seed": grid.split_seed,
        "protocols": dict(grid.protocols or {}),
    }
    if path.exists():
        before = {"protocols": {}} | json.loads(path.read_text(encoding="utf-8"))
        for name in set(before["protocols"]) & set(settings["protocols"]):
            was, now = before["protocols"][name], settings["protocols"][name]
            if was != now:
                raise ConfigError(f"{folder} has {name}: {was}, not {now}. Choose another name=….")
        settings["protocols"] = before["protocols"] | settings["protocols"]
        if before != settings | {"protocols": before["protocols"]}:
            raise ConfigError(
                f"{folder} has the overrides {' '.join(before['overrides']) or '(none)'}, not "
                f"{' '.join(settings['overrides']) or '(none)'}. Choose another name=…."
            )
    write_json(path, settings)


def _run_cells(cells: Sequence[Cell], *, jobs: int, threads: int | None, wait: bool) -> None:
    """Run cells one after the other, or `jobs` in parallel in processes of their own."""
    if jobs == 1 or not cells:
        for cell in cells:
            run_cell(cell, threads, wait=wait)
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = [pool.submit(run_cell, cell, threads or 1, wait=wait) for cell in cells]
        try:
            for done in as_completed(waiting):
                done.result()
        except StopSignal:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # the cell is resumed from its last checkpoint
            raise


def run_cell(cell: Cell, threads: int | None, *, wait: bool) -> None:
    """Run or resume a cell, unless another process has done so, or runs it and `wait` is false.

    `threads` is the number of CPU threads; None keeps it.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with cell.lock.acquire(blocking=wait):
            if not cell.done:
                _run_locked(cell)
    except Timeout:
        log.info("another process runs cell %s", cell.folder.name)


def _run_locked(cell: Cell) -> None:
    """Run or resume a cell; a failure is recorded, and does not stop the study."""
    from emotion.runs.lock import locked_run
    from emotion.training.log_file import log_to_file
    from emotion.training.train import resume, train

    log.info("cell %s", cell.folder.name)
    try:
        with log_to_file(cell.folder), locked_run(cell.folder):
            if (cell.folder / "config.yaml").exists():
                resume(cell.run, [])
            else:
                composition = compose("train", cell.overrides)
                train(composition.settings, cell.folder, choices=composition.choices)
    except Exception as err:  # one failed cell must not stop the study; train.log has the error
        if full_disk(err):  # all cells would fail
            raise
        is_foreign = not isinstance(err, EmotionError)
        with log_to_file(cell.folder):
            log.error("cell %s failed: %s", cell.folder.name, err, exc_info=is_foreign)
        kind = f"{type(err).__name__}: " if is_foreign else ""
        write_json(cell.failure_file, {"error": kind + first_line(err)})


def _recorded_table(name: str | None) -> Path | None:
    """Return the recorded table that a study is compared with; a plain name is a packaged one."""
    if not name:
        return None
    packaged = shipped_file(f"experiment/{name}.csv")
    path = packaged if packaged.is_file() else Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no table study.recorded={path}.")
    return path
