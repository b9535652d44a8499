"""The command `benchmark`: time and memory from a standardised waveform to probabilities.

Each subject is measured in a process of its own, so that the cold start is a real one and memory
is nobody else's; this process stays small, since Linux counts it as its children's peak. A new
kind of row is a `Subject` with a `load` of its own.
"""

import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.audio.decode import Wave
from emotion.config import Config, composed
from emotion.errors import ConfigError, ModelError
from emotion.files import write_text
from emotion.runs import Run, build_model, find_run
from emotion.tables import write_table

TABLE = "benchmark.csv"
WARM_UP = 3
MEGABYTE = 1e6

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """A model, ready: waves of `samples` at `sample_rate` Hz -> probabilities, (N, C)."""

    predict: Callable[[Sequence[Wave]], npt.NDArray[np.float64]]
    samples: int
    sample_rate: int
    parameters: int
    file: Path
    device: str


@dataclass(frozen=True)
class Subject:
    """What is measured: `load(folder, accelerator)` is called in the process that measures."""

    name: str
    runtime: str
    folder: Path
    load: Callable[[Path, str], Loaded]


@dataclass(frozen=True)
class Plan:
    """How it is measured.

    Attributes:
        batch_sizes: clips at a time, for the throughput.
        repeats: predictions of one clip, for the latency.
        seconds: spent at least on each batch size.
        accelerator: auto, cpu or cuda.
    """

    batch_sizes: Sequence[int]
    repeats: int
    seconds: float
    accelerator: str


@dataclass(frozen=True)
class Row:
    """What was measured of one subject.

    Attributes:
        cold_start_s: from the start of a process to the first clip's probabilities.
        p50_ms: of one clip at a time.
        p95_ms: the same.
        real_time_factor: the median over the clip's own length; under 1 keeps up with speech.
        clips_per_s: by batch size.
        peak_mb: memory at most: the process' resident set, or what CUDA allocated.
    """

    name: str
    runtime: str
    device: str
    parameters: int
    file_mb: float
    clip_s: float
    cold_start_s: float
    p50_ms: float
    p95_ms: float
    real_time_factor: float
    clips_per_s: dict[int, float]
    peak_mb: float

    def record(self) -> dict[str, object]:
        """Return the row of the table, a column a batch size."""
        record = asdict(self)
        rates = record.pop("clips_per_s")
        return record | {f"clips_per_s_{size}": rate for size, rate in rates.items()}


def benchmark(config: Config, folder: Path) -> str:
    """Measure the runs given, else untrained models; write and return the table.

    Raises:
        ConfigError: nothing to measure, or a plan that measures nothing.
        RunError: no such run.
    """
    plan = Plan(config["batch_sizes"], config["repeats"], config["seconds"], config["accelerator"])
    if min([plan.repeats, *plan.batch_sizes]) < 1:
        raise ConfigError("repeats and every one of batch_sizes must be at least 1.")
    rows = []
    with tempfile.TemporaryDirectory(prefix="emotion-benchmark-") as scratch:
        subjects = given_runs(config) or apart(untrained_models, config, Path(scratch))
        for subject in subjects:
            log.info("measuring %s", subject.name)
            rows.append(apart(measure, subject, plan, time.time()))
    if not rows:
        raise ConfigError("there is nothing to measure. Set run=… or models=[cnn].")
    table = pd.DataFrame([row.record() for row in rows])
    write_table(folder / TABLE, table)
    return "\n".join([show(table), f"table: {folder / TABLE}"])


# --- what is measured ----------------------------------------------------------------------------


def given_runs(config: Config) -> list[Subject]:
    """Return the runs that `run` names: one or a list; none where it is null."""
    names = config["run"] or []
    names = [names] if isinstance(names, str) else names
    runs = [find_run(name, Path(config["output_root"])) for name in names]
    return [Subject(str(run.folder), "pytorch", run.folder, load_run) for run in runs]


def untrained_models(config: Config, scratch: Path) -> list[Subject]:
    """Return the models that `models` names, with random weights, each saved as a run is."""
    import torch

    from emotion.checkpoints import write_checkpoint

    subjects = []
    for name in config["models"]:
        with composed("train", [f"model={name}"]) as composition:
            own = composition.replaced({"preprocessing": config["preprocessing"]})
        torch.manual_seed(0)
        model = build_model(own)
        run = Run(scratch / name)
        write_text(run.folder / "config.yaml", own.yaml())
        checkpoint = {"state_dict": model.state_dict(), "labels": list(model.labels)}
        write_checkpoint(run.best, checkpoint)
        subjects.append(Subject(name, "pytorch", run.folder, load_run))
    return subjects


def load_run(folder: Path, accelerator: str) -> Loaded:
    """Return a run's best model on its device.

    Raises:
        ConfigError: an accelerator that is unknown, or not here.
    """
    import torch

    from emotion.inference.predictor import Predictor

    here = torch.cuda.is_available()
    if accelerator not in ("auto", "cpu", "cuda") or (accelerator == "cuda" and not here):
        raise ConfigError(
            f"accelerator={accelerator}: choose auto, cpu or, where there is one, cuda."
        )
    device = "cuda" if here and accelerator != "cpu" else "cpu"
    run = Run(folder)
    predictor = Predictor(run, torch.device(device))
    features = predictor.model.features
    said = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"cpu, {torch.get_num_threads()} threads"
    )
    return Loaded(
        predict=lambda waves: predictor.answer(waves).probabilities,
        samples=features.samples or UNBOUND_S * features.sample_rate,
        sample_rate=features.sample_rate,
        parameters=sum(weight.numel() for weight in predictor.model.parameters()),
        file=run.best,
        device=said,
    )


UNBOUND_S = 3
"""Seconds of a clip for models that take any length."""

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


def measure(subject: Subject, plan: Plan, started: float) -> Row:
    """Return a subject's figures; `started` is the wall-clock time at which its process began."""
    model = subject.load(subject.folder, plan.accelerator)
    wave = np.random.default_rng(0).normal(scale=0.1, size=model.samples).astype(np.float32)
    model.predict([wave])
    cold_start = time.time() - started
    for _ in range(WARM_UP):
        model.predict([wave])
    latency = [timed(model.predict, [wave]) for _ in range(plan.repeats)]
    p50, p95 = np.percentile(latency, [50, 95])
    clip_s = model.samples / model.sample_rate
    return Row(
        name=subject.name,
        runtime=subject.runtime,
        device=model.device,
        parameters=model.parameters,
        file_mb=model.file.stat().st_size / MEGABYTE,
        clip_s=clip_s,
        cold_start_s=cold_start,
        p50_ms=1000 * float(p50),
        p95_ms=1000 * float(p95),
        real_time_factor=float(p50) / clip_s,
        clips_per_s={
            size: throughput(model, wave, size, plan.seconds) for size in plan.batch_sizes
        },
        peak_mb=peak_bytes() / MEGABYTE,
    )


def throughput(model: Loaded, wave: Wave, batch_size: int, seconds: float) -> float:
    """Return clips a second, of batches predicted for at least `seconds`, one to warm up."""
    batch = [wave] * batch_size
    model.predict(batch)
    spent, clips = 0.0, 0
    while spent < seconds or not clips:
        spent += timed(model.predict, batch)
        clips += batch_size
    return clips / spent


def timed(predict: Callable[[Sequence[Wave]], object], waves: Sequence[Wave]) -> float:
    """Return the seconds of a prediction; it ends in host memory, so the device has finished."""
    start = time.perf_counter()
    predict(waves)
    return time.perf_counter() - start


def peak_bytes() -> int:
    """Return the most memory held so far: CUDA's where it was used, else this process' own."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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
    clips = " and ".join(f"{seconds:.2f} s" for seconds in table["clip_s"].unique())
    devices = " and ".join(table["device"].unique())
    head = f"clips of {clips}, from waveform to probabilities, on {devices}"
    return f"{head}\n{shown.to_string(index=False)}"
