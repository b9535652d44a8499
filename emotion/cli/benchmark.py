"""The command `benchmark`: time and memory of prediction, from waveform to probabilities.

Each target is measured in a process of its own, for a real cold start and separate memory. This
process stays small: Linux counts its memory in the peak of its children.
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
from emotion.config.composition import Composition, compose
from emotion.config.saved_settings import save_settings
from emotion.config.schema import BenchmarkSettings
from emotion.errors import ConfigError, ModelError
from emotion.inference.benchmark_targets import BenchmarkTarget, export_targets, run_targets
from emotion.inference.benchmark_timing import TimingSettings, time_target
from emotion.models.build import build_model
from emotion.plots.benchmark_plot import plot_benchmark
from emotion.runs.references import add_reference
from emotion.runs.run import Run, find_run
from emotion.runtime.onnx_model import find_export
from emotion.utils.tables import write_table

TABLE, PLOT = "benchmark.csv", "benchmark.png"

log = logging.getLogger(__name__)
T = TypeVar("T")


def run(composition: Composition[BenchmarkSettings]) -> int:
    """Time the predictions of models; return the exit code."""
    print(benchmark(composition.settings, output_folder()))
    return OK


def benchmark(settings: BenchmarkSettings, folder: Path) -> str:
    """Measure the given runs, or untrained models; write and return the table.

    Raises:
        ConfigError: nothing to measure, or settings out of range.
        RunError: no such run.
    """
    timing = TimingSettings(
        settings.batch_sizes, settings.repeats, settings.seconds, settings.accelerator
    )
    if min([timing.repeats, *timing.batch_sizes]) < 1:
        raise ConfigError(
            f"repeats={timing.repeats} and every value of batch_sizes={timing.batch_sizes} must be "
            "at least 1."
        )
    if not settings.threads or min(1 if n is None else n for n in settings.threads) < 1:
        raise ConfigError(
            f"threads={settings.threads} must be numbers of at least 1, or null for one per core."
        )
    rows = []
    with tempfile.TemporaryDirectory(prefix="emotion-benchmark-") as scratch:
        targets = given_runs(settings) or run_in_process(untrained_models, settings, Path(scratch))
        for target in targets:
            log.info("measuring %s, %s", target.name, target.runtime)
            rows.append(run_in_process(time_target, target, timing, time.time()))
            add_reference(target.folder, by=folder / TABLE)
    if not rows:
        raise ConfigError("there is nothing to measure. Set run=… or models=[cnn].")
    table = pd.DataFrame([row.record() for row in rows])
    write_table(folder / TABLE, table)
    plot_benchmark(table, folder / PLOT)
    return "\n".join([format_table(table), f"table: {folder / TABLE}", f"plot: {folder / PLOT}"])


def given_runs(settings: BenchmarkSettings) -> list[BenchmarkTarget]:
    """Return the runs and exports that `run` names, with the export of each run; empty for null."""
    names = settings.run or []
    targets: list[BenchmarkTarget] = []
    for name in [names] if isinstance(names, str) else names:
        export = find_export(name)
        if export is None:
            run = find_run(name, Path(settings.output_root))
            targets += run_targets(str(run.folder), run.folder, settings.threads)
            export = find_export(run.folder / "export")
        if export is not None:
            targets += export_targets(export[0], settings.threads)
    return targets


def untrained_models(settings: BenchmarkSettings, scratch: Path) -> list[BenchmarkTarget]:
    """Return the models that `models` names, with random weights, each saved as a run."""
    import torch

    from emotion.runs.checkpoints import write_checkpoint

    targets: list[BenchmarkTarget] = []
    for name in settings.models:
        composition = compose("train", [f"model={name}"])
        own = composition.replaced({"preprocessing": settings.preprocessing}).settings
        torch.manual_seed(0)
        model = build_model(own.model, own.labels)
        run = Run(scratch / name)
        save_settings(run.folder / "config.yaml", own)
        write_checkpoint(run.best, {"state_dict": model.state_dict(), "labels": list(model.labels)})
        targets += run_targets(name, run.folder, settings.threads)
    return targets


def run_in_process(function: Callable[..., T], *arguments: object) -> T:
    """Return the result of a function that is called in a new process.

    Raises:
        ModelError: the process ended unexpectedly.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as err:
            raise ModelError(
                "the measuring process ended unexpectedly, probably without enough memory. "
                "Try smaller batch_sizes=[…]."
            ) from err


def format_table(table: pd.DataFrame) -> str:
    """Return the table as text for the terminal."""
    throughputs = [name for name in map(str, table) if name.startswith("clips_per_s_")]
    formats = {
        "parameters": ("parameters", "{:,}"),
        "file_mb": ("file MB", "{:.1f}"),
        "cold_start_s": ("cold start s", "{:.1f}"),
        "p50_ms": ("p50 ms", "{:.1f}"),
        "p95_ms": ("p95 ms", "{:.1f}"),
        "real_time_factor": ("real time ×", "{:.4f}"),
        **{name: (f"clips/s by {name.rpartition('_')[2]}", "{:.1f}") for name in throughputs},
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
