"""Finds and opens run folders."""

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from emotion.config.saved_settings import load_settings
from emotion.config.schema import TrainSettings
from emotion.data.segments import TIME_TYPES, clip_names
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import RunError
from emotion.runs.relocate import relocate
from emotion.runs.test_access_log import fingerprint_clips, test_accesses
from emotion.utils.files import file_digest
from emotion.utils.tables import read_table

log = logging.getLogger(__name__)

SPLIT = "split.csv"
LATEST = "latest"
FINISHED = "finished"
"""Status in metrics.json of a run that has written all its files."""


@dataclass(frozen=True)
class Run:
    """A run folder. Each property reads one file, once: open the folder again after a change."""

    folder: Path
    moved_root: str | None = None  # where its clips are now; None: where they were in training

    @cached_property
    def settings(self) -> TrainSettings:
        """The settings of the run, from config.yaml; their paths are valid in this folder."""
        saved = load_settings(self.folder / "config.yaml")
        started_in = self.environment.get("started_in")
        return relocate(saved, started_in=started_in, root=self.moved_root)

    @property
    def clips_root(self) -> Path:
        """The folder that the paths of the run's clips are relative to."""
        return Path(self.settings.dataset["root"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, by id."""
        return self.settings.labels

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics of test and validation; empty before the test."""
        return self._json("metrics.json")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, device, fingerprints and notes of the run."""
        return self._json("environment.json")

    @cached_property
    def timing(self) -> dict[str, float]:
        """Seconds of each part."""
        return self._json("timing.json")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per test clip: its key, corpus, speaker, target, predicted, p_<label>….

        Raises:
            RunError: the run has none.
        """
        path = self.folder / "predictions.csv"
        if not path.is_file():
            untested = f"{self.folder} has no predictions.csv"
            raise RunError(f"{untested}: the run is untested or unfinished.")
        return read_table(path, TIME_TYPES | {f"p_{label}": "float64" for label in self.labels})

    @cached_property
    def split_file(self) -> Path:
        """The file split.csv, unchanged since the run started.

        Raises:
            RunError: the run has none, or it was changed.
        """
        path = self.folder / SPLIT
        if not path.is_file():
            raise RunError(f"{self.folder} has no {SPLIT}. Restore it, or train a new run.")
        if file_digest(path) != self.environment.get("fingerprints", {}).get("split"):
            raise RunError(
                f"{path} was changed after the start of the run, whose weights and metrics belong "
                f"to the subsets before. Restore the file, or train a new run on a copy of it: "
                "split=file split.path=COPY.csv."
            )
        return path

    @cached_property
    def split(self) -> pd.DataFrame:
        """One row per clip: its key, corpus, speaker, emotion, subset; see `split_file`."""
        return read_table(self.split_file, TIME_TYPES)

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / "checkpoints" / "best.ckpt"

    @property
    def leaks(self) -> bool:
        """Whether the split of the run leaks."""
        return bool(self.metrics.get("leaks"))

    @property
    def test_accesses(self) -> frozenset[str]:
        """Runs and prediction files that have used the test clips of this run."""
        if not (self.folder / "predictions.csv").is_file():
            return frozenset()
        root = Path(self.settings.output_root)
        return test_accesses(root, fingerprint_clips(clip_names(self.predictions)))

    @property
    def chosen_by_test(self) -> bool:
        """Whether this run is best by its test score only, among all runs on these test clips.

        True where it has the best test score and another run has a better validation score.
        """
        folders = {Path(name) for name in self.test_accesses} - {self.folder.resolve()}
        own, *others = (run.metrics for run in (self, *map(Run, sorted(folders))))
        others = [other for other in others if other.get("test") and other.get("val")]
        if not own.get("test") or not own.get("val"):
            return False
        best = all(own["test"]["uar"] > other["test"]["uar"] for other in others)
        return best and any(other["val"]["uar"] > own["val"]["uar"] for other in others)

    @property
    def robustness(self) -> dict[str, Any]:
        """Result of `evaluate perturb=`; empty before."""
        return self._json("evaluate/perturbed/robustness.json")

    @property
    def finished(self) -> bool:
        """Whether the run has written all its files."""
        return self.metrics.get("status") == FINISHED

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            read: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        except ValueError as err:
            raise RunError(f"{path} is damaged ({err}).") from err
        return read


def find_run(name: str | None, output_root: Path, *, moved_root: str | None = None) -> Run:
    """Return the run of a folder, or the run that was started last for `latest`.

    `moved_root` is the folder of its clips, if they were moved since.

    Raises:
        RunError: the run does not exist, or the folder is not a run folder.
    """
    if not name:
        raise RunError("run= is not set. Give a run folder, or run=latest.")
    if name == LATEST:
        folder = output_root / "train"
        if not (runs := find_runs(folder)):
            raise RunError(f"there is no run under {folder} yet. Start with emotion train.")
        newest = max(runs, key=lambda run: (run.environment.get("started", ""), run.folder.name))
        return Run(newest.folder, moved_root)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}. Give the folder, or run=latest.")
    if not (folder / "config.yaml").is_file():
        raise RunError(f"{folder} is not a run folder: it has no config.yaml.")
    return Run(folder, moved_root)


def find_runs(folder: Path) -> list[Run]:
    """Return all runs directly in a folder."""
    return [Run(path.parent) for path in sorted(folder.glob("*/config.yaml"))]


def training_clips(run: Run) -> pd.DataFrame:
    """Return the clips that the weights of a run were trained or selected on, as in split.csv.

    Clips of the run that it started from (init_from) are included, back to the first run.
    """
    tables = [run.split[run.split["subset"].isin([TRAIN, VAL])]]
    while name := run.settings.init_from:
        try:
            run = find_run(name, Path(run.settings.output_root))
        except RunError:
            message = "%s, whose weights %s started from, no longer exists: whether they were "
            log.warning(message + "trained on test clips is unknown", name, run.folder)
            break
        tables.append(run.split[run.split["subset"].isin([TRAIN, VAL])])
    return pd.concat(tables, ignore_index=True)
