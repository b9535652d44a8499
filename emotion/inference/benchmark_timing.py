"""Times a model in the process that it is alone in; nothing heavy is imported here."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from emotion.audio.decode import Wave
from emotion.inference.benchmark_targets import Loaded, Subject

WARM_UP = 3
MEGABYTE = 1e6


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
