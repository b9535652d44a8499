"""A study: protocols × models × trainers × folds × seeds as one table that survives a kill.

Every cell is a run folder below the study's. A finished cell is never run again; one that was
stopped goes on where it was; one that failed is shown, and tried again on request.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.config.composition import Config, composed, first_line
from emotion.data.splits.base import TEST, SplitProtocol
from emotion.errors import ConfigError, EmotionError
from emotion.experiments.study_table import Finished, write_tables
from emotion.runs.run import Run
from emotion.utils.files import full_disk, write_json
from emotion.utils.signals import Stopped

log = logging.getLogger(__name__)

SELF_MADE = ("study", "name", "hydra", "resume")


@dataclass(frozen=True)
class Cell:
    """One run of a study: what it is called, and the overrides that make it."""

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
        """Why the cell failed; empty where it did not."""
        path = self.failure_file
        return str(json.loads(path.read_text(encoding="utf-8"))["error"]) if path.exists() else ""

    @property
    def failure_file(self) -> Path:
        """Where it is written that the cell failed."""
        return self.folder.with_name(f"{self.folder.name}.failed.json")

    @property
    def lock(self) -> FileLock:
        """Held by the process that works on the cell; a process that dies lets go of it."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder.with_name(f".{self.folder.name}.lock"))

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.run.finished or bool(self.failure)


def run_study(config: Config, words: Sequence[str]) -> tuple[str, bool]:
    """Run what is missing of a study, write its table; return the table and whether all is done.

    Args:
        config: the study's composition.
        words: the overrides that the user gave: every cell gets those that are not the study's.
    """
    folder = _folder(config)
    recorded = _recorded(config)
    own = (*SELF_MADE, "experiment") if config["study.protocols"] else SELF_MADE
    shared = [word for word in words if not word.lstrip("+~").startswith(own)]
    cells, left_out = plan_study(config, folder, shared)
    _check_same(folder, config, shared)
    if config["study.retry"]:
        for cell in cells:
            cell.failure_file.unlink(missing_ok=True)
    todo = [cell for cell in cells if not cell.done]
    log.info("%d cells, %d of them to do", len(cells), len(todo))
    for wait in (False, True):  # first what nobody works on, then what others did not finish
        left = [cell for cell in todo if not cell.done]
        jobs, threads = config["study.jobs"], config["study.threads"]
        _run_cells(left, jobs=jobs, threads=threads, wait=wait)
    failed = [cell for cell in cells if cell.failure]
    table = write_tables(
        folder,
        [Finished(cell.protocol, cell.row, cell.fold, cell.seed, cell.run) for cell in cells],
        settings=" ".join(shared) or "no other settings",
        recorded=recorded,
    )
    lines = [table, *left_out]
    lines += [f"failed: {cell.folder.name}: {cell.failure}" for cell in failed]
    if failed:
        lines.append("study.retry=true tries the failed cells again")
    lines.append(f"table: {folder / 'table.csv'}\nreport: {folder / 'report.html'}")
    return "\n".join(lines), not failed


def _folder(config: Config) -> Path:
    """Return a study's folder.

    Raises:
        ConfigError: its name leads out of the studies' folder.
    """
    studies, name = Path(config["output_root"]) / "studies", config["name"]
    folder = Path(os.path.normpath(studies / name))
    if Path(os.path.normpath(studies)) not in folder.parents:
        raise ConfigError(f"name={name} must name a folder below {studies}, such as name=folds.")
    return folder


def plan_study(config: Config, folder: Path, shared: Sequence[str]) -> tuple[list[Cell], list[str]]:
    """Return the cells of every protocol, and a line for each whose corpora are not here.

    Raises:
        EmotionError: no protocol can be run; the first one's reason.
    """
    protocols = dict(config["study.protocols"] or {}) or {"": ""}
    cells: list[Cell] = []
    reasons: list[EmotionError] = []
    left_out = []
    for protocol, overrides in protocols.items():
        try:
            cells += plan_cells(config, folder, [*overrides.split(), *shared], protocol=protocol)
        except EmotionError as err:
            reasons.append(err)
            left_out.append(f"left out: {protocol}: {first_line(err)}")
    if not cells and reasons:
        raise reasons[0]
    for line in left_out:
        log.warning(line)
    return cells, left_out


def plan_cells(
    config: Config, folder: Path, shared: Sequence[str], *, protocol: str = ""
) -> list[Cell]:
    """Return all cells of a protocol, models first, then trainers, folds and seeds.

    Raises:
        ConfigError: a fold that the protocol does not have.
    """
    folds = _folds(config, shared)
    cells = []
    for entry in config["study.models"]:
        model, *own = entry.split()
        for trainer in config["study.trainers"]:
            row = entry if len(config["study.trainers"]) == 1 else f"{entry} {trainer}"
            for fold in folds:
                for seed in config["study.seeds"]:
                    name = re.sub(r"[^A-Za-z0-9_.=]+", "-", f"{protocol} {row}".strip())
                    # The division is the study's: seeds vary the training, never the test clips.
                    given = any(word.startswith("trainer=") for word in own)
                    words = [*shared, f"model={model}", *own]
                    words += [] if given else [f"trainer={trainer}"]
                    words += [f"seed={seed}", f"split.seed={config['study.split_seed']}"]
                    words += [f"split.fold={fold}"] if len(folds) > 1 or fold else []
                    place = folder / "cells" / f"{name}-fold{fold}-seed{seed}"
                    cells.append(Cell(place, protocol, row, fold, seed, tuple(words)))
    return cells


def _folds(config: Config, shared: Sequence[str]) -> list[int]:
    """Return the folds of a study; of `all`, those whose test clips are on this disk."""
    from emotion.data.corpora.index import open_clips

    with composed("train", [word for word in shared if not word.startswith("-")]) as cell:
        dataset, standardiser = cell.build("dataset"), cell.build("preprocessing")
        index, _ = open_clips(dataset, standardiser, cache_dir=Path(cell["cache_dir"]))
        wanted = config["study.folds"]
        if cell.get("split.fold") is None:
            return [0]
        seed = {"split.seed": config["study.split_seed"]}
        protocol: SplitProtocol = cell.replaced({**seed, "split.fold": 0}).build("split")
        count = protocol.assign(index.table).folds
        chosen = range(count) if wanted == "all" else wanted
        folds = []
        for fold in chosen:
            if not 0 <= fold < count:
                raise ConfigError(f"study.folds has {fold}; this protocol has folds 0…{count - 1}.")
            split = cell.replaced({**seed, "split.fold": fold}).build("split").assign(index.table)
            if (split.subset == TEST).any():
                folds.append(fold)
            else:
                log.warning("fold %d is left out: %s", fold, "; ".join(split.notes))
    return folds


def _check_same(folder: Path, config: Config, shared: Sequence[str]) -> None:
    """Refuse to mix cells of different settings in one study.

    Raises:
        ConfigError: the study of this name was made with other settings.
    """
    path = folder / "study.json"
    settings = {
        "overrides": sorted(shared),
        "split_seed": config["study.split_seed"],
        "protocols": dict(config["study.protocols"] or {}),
    }
    if path.exists():
        before = {"protocols": {}} | json.loads(path.read_text(encoding="utf-8"))
        for name in set(before["protocols"]) & set(settings["protocols"]):
            was, now = before["protocols"][name], settings["protocols"][name]
            if was != now:
                raise ConfigError(f"{folder} has {name} as {was}, not {now}. Give another name=….")
        settings["protocols"] = before["protocols"] | settings["protocols"]
        if before != settings | {"protocols": before["protocols"]}:
            raise ConfigError(
                f"{folder} was made with {' '.join(before['overrides']) or 'no overrides'}, not "
                f"{' '.join(settings['overrides']) or 'none'}. Give another name=…."
            )
    write_json(path, settings)


def _run_cells(cells: Sequence[Cell], *, jobs: int, threads: int | None, wait: bool) -> None:
    """Run cells one after the other, or `jobs` side by side, each in a process that stays."""
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
        except Stopped:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # as a kill does: the cell goes on from its last checkpoint
            raise


def run_cell(cell: Cell, threads: int | None, *, wait: bool) -> None:
    """Run a cell, or go on with it, unless another process of the study does or has done so.

    Args:
        cell: what to run.
        threads: of its computations; None leaves the number as it is.
        wait: whether to wait for a process that works on the cell; else the cell is left to it.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with cell.lock.acquire(blocking=wait):
            if not cell.done:
                _work_on(cell)
    except Timeout:
        log.info("cell %s is another process' work", cell.folder.name)


def _work_on(cell: Cell) -> None:
    """Run a cell, or go on with it; a failure is written down, and does not stop the study."""
    from emotion.runs.lock import held
    from emotion.training.log_file import log_to_file
    from emotion.training.train import resume, train

    log.info("cell %s", cell.folder.name)
    try:
        with log_to_file(cell.folder), held(cell.folder):
            if (cell.folder / "config.yaml").exists():
                resume(cell.run, [])
            else:
                with composed("train", list(cell.overrides)) as config:
                    train(config, cell.folder)
    except Exception as err:  # whatever ails one cell, the others go on; its train.log has it all
        if full_disk(err):  # which ails all of them, for now
            raise
        with log_to_file(cell.folder):
            log.error("cell %s failed: %s", cell.folder.name, err, exc_info=_unforeseen(err))
        said = f"{type(err).__name__}: {first_line(err)}" if _unforeseen(err) else first_line(err)
        write_json(cell.failure_file, {"error": said})


def _unforeseen(err: Exception) -> bool:
    return not isinstance(err, EmotionError)


def _recorded(config: Config) -> Path | None:
    """Return the table that a study's figures are held against.

    Raises:
        ConfigError: it is not there.
    """
    if not config["study.recorded"]:
        return None
    path = Path(config["study.recorded"]).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no table study.recorded={path}.")
    return path
