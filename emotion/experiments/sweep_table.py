"""A sweep's table: a row a job, written as each ends, failed ones too."""

from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from emotion.config.composition import first_line
from emotion.runs.run import Run
from emotion.utils.distributed import is_first
from emotion.utils.tables import read_table, write_table

TIMES = ("epoch_seconds", "clips_per_second", "cpu_percent", "gpu_percent")
FIGURES = ("test_uar", "val_uar", "seconds", *TIMES)
COLUMNS = ("job", "overrides", "status", *FIGURES, "folder", "error")
TABLE = "sweep.csv"


class SweepTable(Callback):
    """Writes sweep.csv beside the jobs' folders."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Add the job's row, or replace it."""
        hydra = config.hydra
        if not (str(hydra.mode).endswith("MULTIRUN") and is_first()):
            return
        folder = Path(hydra.sweep.dir)
        run = Run(folder / str(hydra.sweep.subdir))
        failed = job_return.status != JobStatus.COMPLETED
        error = first_line(job_return._return_value) if failed else ""
        row = {
            "job": str(config.search.trial if config.search.by else hydra.job.num),
            "overrides": " ".join([*hydra.overrides.task, *found_settings(run)]),
            "status": "failed" if failed else "done",
            **figures(run),
            "folder": str(run.folder),
            "error": error,
        }
        with FileLock(folder / f".{TABLE}.lock"):
            path = folder / TABLE
            rows: list[Any] = read_table(path).to_dict("records") if path.exists() else []
            rows = [other for other in rows if other["job"] != row["job"]] + [row]
            rows.sort(key=lambda each: int(each["job"]))
            write_table(path, pd.DataFrame(rows, columns=list(COLUMNS)))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print the table."""
        print(describe_sweep(Path(config.hydra.sweep.dir)))


def found_settings(run: Run) -> list[str]:
    """Return what a search chose for a run, as overrides; nothing of any other run."""
    if not (run.folder / "config.yaml").exists() or not run.config.get("search.by"):
        return []
    return [f"{key}={run.config[key]}" for key in run.config["search.space"]]


def figures(run: Run) -> dict[str, float | str]:
    """Return what a sweep's row says of a run; empty where it did not come so far."""
    metrics, timing = run.metrics, run.timing
    seconds = sum(timing.get(part, 0.0) for part in ("data", "fit", "test", "report"))
    return {
        "test_uar": metrics.get("test", {}).get("uar", ""),
        "val_uar": metrics.get("val", {}).get("uar", ""),
        "seconds": seconds or "",
        **{name: timing.get(name, "") for name in TIMES},
    }


def describe_sweep(folder: Path) -> str:
    """Return a sweep's table for a person, and where it lies and how to use what was found."""
    path = folder / TABLE
    if not path.exists():
        return f"no job of {folder} came to its end"
    lines = [*summarise_sweep(read_table(path)), f"table: {path}"]
    found = sorted(folder.glob("experiment/*.yaml"))
    lines += [f"use it: --config-dir {folder} experiment={file.stem}" for file in found]
    return "\n".join(lines)


def summarise_sweep(table: pd.DataFrame) -> list[str]:
    """Return one line a job, then the best by validation and the fastest."""
    lines = []
    for row in table.to_dict("records"):
        said = row["error"] or "  ".join(
            f"{name} {float(row[name]):.3g}" for name in FIGURES if row[name] != ""
        )
        lines.append(f"{row['job']:>3}  {row['status']:<6}  {row['overrides']}  {said}")
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
