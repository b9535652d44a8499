"""Finds and opens run folders."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion.config.composition import Config, load_config
from emotion.data.splits.base import TRAIN, VAL
from emotion.errors import RunError
from emotion.runs.test_access_log import fingerprint_clips, test_accesses
from emotion.utils.tables import read_table

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """A run folder; each property reads a file of it."""

    folder: Path

    @property
    def config(self) -> Config:
        """The resolved composition."""
        return load_config(self.folder / "config.yaml")

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, by id."""
        return tuple(self.config["dataset.labels"])

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures; empty before the test."""
        return self._json("metrics.json")

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device, fingerprints and notes of the run."""
        return self._json("environment.json")

    @property
    def timing(self) -> dict[str, float]:
        """Seconds of each part."""
        return self._json("timing.json")

    @property
    def predictions(self) -> pd.DataFrame:
        """One row a test clip."""
        path = self.folder / "predictions.csv"
        if not path.is_file():
            raise RunError(
                f"{self.folder} has no predictions.csv: the run is untested or unfinished."
            )
        columns = {f"p_{label}": "float64" for label in self.labels}
        return read_table(path, columns)

    @property
    def split(self) -> pd.DataFrame:
        """One row a clip: path, corpus, speaker, emotion, subset."""
        return read_table(self.folder / "split.csv")

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / "checkpoints" / "best.ckpt"

    @property
    def leaks(self) -> bool:
        """Whether the run's split leaks."""
        return bool(self.metrics.get("leaks"))

    @property
    def test_accesses(self) -> frozenset[str]:
        """Which runs and files of predictions have opened the clips that this run is tested on."""
        root = self.config.get("output_root")
        if not root or not (self.folder / "predictions.csv").is_file():
            return frozenset()
        return test_accesses(Path(root), fingerprint_clips(self.predictions["path"]))

    @property
    def chosen_by_test(self) -> bool:
        """Whether, of all runs that were tested on these clips, only the test prefers this one.

        It has the best test score, and another one has the better score on validation clips.
        """
        others = {Path(name) for name in self.test_accesses} - {self.folder.resolve()}
        scores = [Run(folder).metrics for folder in sorted(others)]
        scores = [score for score in scores if score.get("test") and score.get("val")]
        mine = self.metrics
        if not scores or not mine.get("test") or not mine.get("val"):
            return False
        best = all(mine["test"]["uar"] > score["test"]["uar"] for score in scores)
        return best and any(score["val"]["uar"] > mine["val"]["uar"] for score in scores)

    @property
    def robustness(self) -> dict[str, Any]:
        """What `evaluate perturb=` found; empty before."""
        return self._json("evaluate/perturbed/robustness.json")

    @property
    def finished(self) -> bool:
        """Whether the run has come to its report, the last file that it writes."""
        return (self.folder / "report.html").is_file()

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            return {}
        try:
            read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as err:
            raise RunError(f"{path} is damaged ({err}).") from err
        return read


def find_run(name: str | None, output_root: Path) -> Run:
    """Return the run at a folder, or the newest for `latest`.

    Raises:
        RunError: there is none, or the folder is no run.
    """
    if not name:
        raise RunError("run= is not set. Give a run folder, or run=latest.")
    if name == LATEST:
        runs = find_runs(output_root / "train")
        if not runs:
            raise RunError(
                f"there is no run under {output_root / 'train'} yet. Start with emotion train."
            )
        return max(runs, key=lambda run: run.folder.name)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}. Give the folder, or run=latest.")
    if not (folder / "config.yaml").is_file():
        raise RunError(f"{folder} is no run folder: it has no config.yaml.")
    return Run(folder)


def training_clips(run: Run) -> pd.DataFrame:
    """Return the clips that a run's weights learned from or were chosen by, as in split.csv.

    Those of the run that it started from are among them, and so on back to the first.
    """
    tables = []
    while True:
        split = run.split
        tables.append(split[split["subset"].isin([TRAIN, VAL])])
        before = run.config.get("init_from")
        if not before:
            break
        try:
            run = find_run(before, Path(run.config["output_root"]))
        except RunError:
            log.warning(
                "%s, which %s started from, is gone: whether it learned from test clips is not "
                "known",
                before,
                run.folder,
            )
            break
    return pd.concat(tables, ignore_index=True)


def find_runs(folder: Path) -> list[Run]:
    """Return all runs directly in a folder."""
    return [Run(path.parent) for path in sorted(folder.glob("*/config.yaml"))]
