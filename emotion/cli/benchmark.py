"""The command `benchmark`: time and memory from a standardised waveform to probabilities.

Each subject is measured in a process of its own, so that the cold start is a real one and memory
is nobody else's; this process stays small, since Linux counts it as its children's peak.
"""

import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import pandas as pd

from emotion.cli.commands import OK
from emotion.cli.hydra_job import output_folder
from emotion.config.composition import Config, composed
from emotion.errors import ConfigError, ModelError
from emotion.inference.benchmark_targets import Subject, export_subjects, run_subjects
from emotion.inference.benchmark_timing import Plan, measure
from emotion.models.build import build_model
from emotion.runs.run import Run, find_run
from emotion.runtime.onnx_model import find_export
from emotion.utils.files import write_text, written_whole
from emotion.utils.tables import write_table

TABLE, PICTURE = "benchmark.csv", "benchmark.png"

log = logging.getLogger(__name__)
T = TypeVar("T")


def run(config: Config) -> int:
    """Time a model's predictions; return the exit code."""
    print(benchmark(config, output_folder()))
    return OK


def benchmark(config: Config, folder: Path) -> str:
    """Measure the runs given, else untrained models; write and return the table.

    Raises:
        ConfigError: nothing to measure, or a plan that measures nothing.
        RunError: no such run.
    """
    plan = Plan(config["batch_sizes"], config["repeats"], config["seconds"], config["accelerator"])
    if min([plan.repeats, *plan.batch_sizes]) < 1:
        raise ConfigError("repeats and every one of batch_sizes must be at least 1.")
    if not config["threads"] or min(1 if n is None else n for n in config["threads"]) < 1:
        raise ConfigError("threads must hold numbers from 1 on, or null for one a core.")
    rows = []
    with tempfile.TemporaryDirectory(prefix="emotion-benchmark-") as scratch:
        subjects = given_runs(config) or apart(untrained_models, config, Path(scratch))
        for subject in subjects:
            log.info("measuring %s, %s", subject.name, subject.runtime)
            rows.append(apart(measure, subject, plan, time.time()))
    if not rows:
        raise ConfigError("there is nothing to measure. Set run=… or models=[cnn].")
    table = pd.DataFrame([row.record() for row in rows])
    write_table(folder / TABLE, table)
    draw(table, folder / PICTURE)
    return "\n".join([show(table), f"table: {folder / TABLE}", f"picture: {folder / PICTURE}"])


# --- what is measured ----------------------------------------------------------------------------


def given_runs(config: Config) -> list[Subject]:
    """Return what `run` names, one or a list; a run's own export folder, where there is one, too.

    Empty where it is null.
    """
    names = config["run"] or []
    subjects: list[Subject] = []
    for name in [names] if isinstance(names, str) else names:
        export = find_export(name)
        if export is None:
            run = find_run(name, Path(config["output_root"]))
            subjects += run_subjects(str(run.folder), run.folder, config["threads"])
            export = find_export(run.folder / "export")
        if export is not None:
            subjects += export_subjects(export[0], config["threads"])
    return subjects


def untrained_models(config: Config, scratch: Path) -> list[Subject]:
    """Return the models that `models` names, with random weights, each saved as a run is."""
    import torch

    from emotion.runs.checkpoints import write_checkpoint

    subjects: list[Subject] = []
    for name in config["models"]:
        with composed("train", [f"model={name}"]) as composition:
            own = composition.replaced({"preprocessing": config["preprocessing"]})
        torch.manual_seed(0)
        model = build_model(own)
        run = Run(scratch / name)
        write_text(run.folder / "config.yaml", own.yaml())
        checkpoint = {"state_dict": model.state_dict(), "labels": list(model.labels)}
        write_checkpoint(run.best, checkpoint)
        subjects += run_subjects(name, run.folder, config["threads"])
    return subjects


# --- how -----------------------------------------------------------------------------------------


def apart(function: Callable[..., T], *arguments: object) -> T:
    """Return what a function returns, called in a fresh process.

    Raises:
        ModelError: the process died.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as err:
            raise ModelError(
                "the process that measured died, most likely for want of memory. "
                "Try smaller batch_sizes=[…]."
            ) from err


def show(table: pd.DataFrame) -> str:
    """Return the table for a person."""
    formats = {
        "parameters": ("parameters", "{:,}"),
        "file_mb": ("file MB", "{:.1f}"),
        "cold_start_s": ("cold start s", "{:.1f}"),
        "p50_ms": ("p50 ms", "{:.1f}"),
        "p95_ms": ("p95 ms", "{:.1f}"),
        "real_time_factor": ("real time ×", "{:.4f}"),
        **{
            name: (f"clips/s by {name.rpartition('_')[2]}", "{:.1f}")
            for name in map(str, table.columns)
            if name.startswith("clips_per_s_")
        },
        "peak_mb": ("peak MB", "{:,.0f}"),
    }
    shown = table[["name", "runtime"]].rename(columns={"name": "model"})
    for name, (title, form) in formats.items():
        shown[title] = table[name].map(form.format)
    devices = table["device"].unique()
    if len(devices) > 1:
        shown.insert(2, "on", table["device"])
    clips = " and ".join(f"{seconds:.2f} s" for seconds in table["clip_s"].unique())
    head = f"clips of {clips}, from waveform to probabilities, on {' and '.join(devices)}"
    return f"{head}\n{shown.to_string(index=False)}"


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw latency, throughput and cold start of each row side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates = table.filter(regex="^clips_per_s_").max(axis=1)
    panels = {
        "one clip, median, ms": table["p50_ms"],
        "most clips a second": rates,
        "cold start, s": table["cold_start_s"],
    }
    names = [
        f"{short_name(name)} {runtime}, {device}"
        for name, runtime, device in table[["name", "runtime", "device"]].itertuples(index=False)
    ]
    figure = Figure(figsize=(11, 1.2 + 0.34 * len(table)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, values) in zip(
        figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True
    ):
        bars = axes.barh(names, values, color="#4c78a8")
        axes.bar_label(bars, fmt="{:,.3g}", padding=3, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=120)


def short_name(name: str) -> str:
    """Return the last part of a path that tells runs apart."""
    path = Path(name)
    return path.parent.name if path.name == "export" else path.name
