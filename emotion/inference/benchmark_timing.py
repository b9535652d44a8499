"""Time and memory of one model, measured in a process of its own; no heavy imports."""

import resource
import sys
import time
import timeit
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.inference.benchmark_targets import BenchmarkTarget, LoadedTarget

WARM_UP_PREDICTIONS = 3


@dataclass(frozen=True)
class TimingSettings:
    """Settings of a measurement.

    Attributes:
        batch_sizes: batch sizes for the throughput.
        repeats: predictions of a single clip, for the latency.
        seconds: minimum time for each batch size.
        accelerator: auto, cpu or cuda.
    """

    batch_sizes: Sequence[int]
    repeats: int
    seconds: float
    accelerator: str


@dataclass(frozen=True)
class TimingResult:
    """Measurements of one target.

    Attributes:
        cold_start_s: from the start of the process to the first prediction.
        p50_ms: median latency of a single clip.
        p95_ms: 95th percentile of the same.
        real_time_factor: median latency / clip length; live audio needs less than 1.
        clips_per_s: throughput by batch size.
        peak_mb: peak memory: the resident set of the process, or the CUDA allocations.
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
        """Return the row of the table, with one throughput column per batch size."""
        record = asdict(self)
        rates = record.pop("clips_per_s")
        return record | {f"clips_per_s_{size}": rate for size, rate in rates.items()}


def time_target(target: BenchmarkTarget, settings: TimingSettings, started: float) -> TimingResult:
    """Return the measurements of a target; `started` is the wall-clock start of the process."""
    model = target.load(target.folder, settings.accelerator)
    wave = np.random.default_rng(0).normal(scale=0.1, size=model.samples).astype(np.float32)
    model.predict([wave])
    cold_start = time.time() - started
    for _ in range(WARM_UP_PREDICTIONS):
        model.predict([wave])
    latency = timeit.repeat(lambda: model.predict([wave]), number=1, repeat=settings.repeats)
    p50, p95 = np.percentile(latency, [50, 95])
    clip_s = model.samples / model.sample_rate
    return TimingResult(
        name=target.name,
        runtime=target.runtime,
        device=model.device,
        parameters=model.parameters,
        file_mb=model.file.stat().st_size / 1e6,
        clip_s=clip_s,
        cold_start_s=cold_start,
        p50_ms=1000 * float(p50),
        p95_ms=1000 * float(p95),
        real_time_factor=float(p50) / clip_s,
        clips_per_s={
            size: throughput(model, wave, size, settings.seconds) for size in settings.batch_sizes
        },
        peak_mb=peak_memory_bytes() / 1e6,
    )


def throughput(model: LoadedTarget, wave: Wave, batch_size: int, seconds: float) -> float:
    """Return clips per second over at least `seconds`, after one batch to warm up."""
    batch = [wave] * batch_size
    model.predict(batch)
    spent, clips = 0.0, 0
    while spent < seconds or not clips:
        spent += timeit.timeit(lambda: model.predict(batch), number=1)
        clips += batch_size
    return clips / spent


def peak_memory_bytes() -> int:
    """Return the peak memory so far: of CUDA if it was used, else of this process."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
