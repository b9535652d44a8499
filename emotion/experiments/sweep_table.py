"""Table of a sweep: one row per job, written when the job ends or fails."""

from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from emotion.config.composition import first_line, value_at
from emotion.runs.references import add_reference
from emotion.runs.run import Run
from emotion.utils.distributed import is_rank_zero
from emotion.utils.tables import read_table, write_table

TIMES = ("epoch_seconds", "clips_per_second", "cpu_percent", "gpu_percent")
METRICS = ("test_uar", "val_uar", "seconds", *TIMES)
COLUMNS = ("job", "overrides", "status", *METRICS, "folder", "error")
TABLE = "sweep.csv"


class SweepTable(Callback):
    """Writes sweep.csv beside the folders of the jobs."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Add or replace the row of the job."""
        hydra = config.hydra
        if not (str(hydra.mode).endswith("MULTIRUN") and is_rank_zero()):
            return
        folder = Path(hydra.sweep.dir)
        run = Run(folder / str(hydra.sweep.subdir))
        failed = job_return.status != JobStatus.COMPLETED
        error = first_line(job_return._return_value) if failed else ""
        row = {
            "job": str(config.search.trial if config.search.by else hydra.job.num),
            "overrides": " ".join([*hydra.overrides.task, *searched_settings(run)]),
            "status": "failed" if failed else "done",
            **run_metrics(run),
            "folder": str(run.folder),
            "error": error,
        }
        with FileLock(folder / f".{TABLE}.lock"):
            path = folder / TABLE
            rows: list[Any] = read_table(path).to_dict("records") if path.exists() else []
            rows = [other for other in rows if other["job"] != row["job"]] + [row]
            rows.sort(key=lambda each: int(each["job"]))
            add_reference(run.folder, by=path)
            write_table(path, pd.DataFrame(rows, columns=list(COLUMNS)))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print the table."""
        print(describe_sweep(Path(config.hydra.sweep.dir)))


def searched_settings(run: Run) -> list[str]:
    """Return the settings that a search chose for a run, as overrides; empty for other runs."""
    if not (run.folder / "config.yaml").exists() or not run.settings.search.by:
        return []
    return [f"{key}={value_at(run.settings, key)}" for key in run.settings.search.space]


def run_metrics(run: Run) -> dict[str, float | str]:
    """Return the metrics of a run for its row; an empty text for those that it does not have."""
    metrics, timing = run.metrics, run.timing
    seconds = sum(timing.get(part, 0.0) for part in ("data", "fit", "test", "report"))
    return {
        "test_uar": metrics.get("test", {}).get("uar", ""),
        "val_uar": metrics.get("val", {}).get("uar", ""),
        "seconds": seconds or "",
        **{name: timing.get(name, "") for name in TIMES},
    }


def describe_sweep(folder: Path) -> str:
    """Return the table of a sweep as text, its path, and how to use the experiments it found."""
    path = folder / TABLE
    if not path.exists():
        return f"no job of {folder} has ended"
    lines = [*summarise_sweep(read_table(path)), f"table: {path}"]
    found = sorted(folder.glob("experiment/*.yaml"))
    lines += [f"use it: --config-dir {folder} experiment={file.stem}" for file in found]
    return "\n".join(lines)


def summarise_sweep(table: pd.DataFrame) -> list[str]:
    """Return one line per job, then the best one on validation and the fastest one."""
    lines = []
    for row in table.to_dict("records"):
        result = row["error"] or "  ".join(
            f"{name} {float(row[name]):.3g}" for name in METRICS if row[name] != ""
        )
        lines.append(f"{row['job']:>3}  {row['status']:<6}  {row['overrides']}  {result}")
    done = table[table["status"] == "done"]
    scored = done[done["val_uar"] != ""]
    if len(scored):
        best = scored.iloc[int(scored["val_uar"].astype(float).argmax())]
        lines.append(f"best on validation: {best['overrides']} (UAR {float(best['val_uar']):.3f})")
    timed = done[done["clips_per_second"] != ""]
    if len(timed):
        fast = timed.iloc[int(timed["clips_per_second"].astype(float).argmax())]
        rate = float(fast["clips_per_second"])
        lines.append(f"fastest: {fast['overrides']} ({rate:,.0f} clips/s)")
    return lines
