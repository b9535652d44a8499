"""Targets of `benchmark`: a run with PyTorch, an export folder with onnxruntime.

No heavy imports at the top: they are part of the cold start that is measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.errors import ConfigError
from emotion.runtime.onnx_model import INT8, NETWORK, OnnxModel

DEFAULT_CLIP_S = 3
"""Length of the test clip, in seconds, for models without a fixed window."""

RUNTIMES = {NETWORK: "onnx", INT8: "int8"}


@dataclass(frozen=True)
class LoadedTarget:
    """A loaded model: waves of `samples` at `sample_rate` Hz -> probabilities, (N, C)."""

    predict: Callable[[Sequence[Wave]], npt.NDArray[np.float64]]
    samples: int
    sample_rate: int
    parameters: int
    file: Path
    device: str


@dataclass(frozen=True)
class BenchmarkTarget:
    """A model to measure: the measuring process calls `load(folder, accelerator)`."""

    name: str
    runtime: str
    folder: Path
    load: Callable[[Path, str], LoadedTarget]


def run_targets(name: str, folder: Path, threads: Sequence[int | None]) -> list[BenchmarkTarget]:
    """Return one target per number of threads for a run; None is one thread per core."""
    loads = [partial(load_run_target, threads=n) for n in threads]
    return [BenchmarkTarget(name, "pytorch", folder, load) for load in loads]


def export_targets(folder: Path, threads: Sequence[int | None]) -> list[BenchmarkTarget]:
    """Return one target per network and number of threads for an export folder."""
    return [
        BenchmarkTarget(str(folder), runtime, folder, load)
        for network, runtime in RUNTIMES.items()
        if (folder / network).is_file()
        for load in [partial(load_export_target, network=network, threads=n) for n in threads]
    ]


def load_run_target(folder: Path, accelerator: str, *, threads: int | None = None) -> LoadedTarget:
    """Return a run's best model on the accelerator; with `threads`, on the CPU.

    Raises:
        ConfigError: the accelerator is unknown or not available.
    """
    import torch

    from emotion.inference.torch_model import TorchModel
    from emotion.runs.run import Run

    available = ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if accelerator not in available:
        raise ConfigError(f"accelerator={accelerator}: choose {', '.join(available)}.")
    cuda = "cuda" in available and accelerator != "cpu" and threads is None
    if threads is not None:
        torch.set_num_threads(threads)
    run = Run(folder)
    model = TorchModel(run, torch.device("cuda" if cuda else "cpu"))
    features = model.model.features
    return LoadedTarget(
        predict=lambda waves: model.infer(waves).probabilities,
        samples=features.samples or DEFAULT_CLIP_S * features.sample_rate,
        sample_rate=features.sample_rate,
        parameters=sum(weight.numel() for weight in model.model.parameters()),
        file=run.best,
        device=torch.cuda.get_device_name() if cuda else cpu_name(torch.get_num_threads()),
    )


def load_export_target(
    folder: Path, accelerator: str, *, network: str = NETWORK, threads: int | None = None
) -> LoadedTarget:
    """Return a network of an export folder; it always runs on the CPU."""
    import psutil

    model = OnnxModel(folder, network=network, threads=threads)
    rate: int = model.about["sample_rate"]
    return LoadedTarget(
        predict=lambda waves: model.infer_waves(waves).probabilities,
        samples=model.about["samples"] or DEFAULT_CLIP_S * rate,
        sample_rate=rate,
        parameters=model.about["parameters"],
        file=folder / network,
        device=cpu_name(threads or psutil.cpu_count(logical=False) or 1),
    )


def cpu_name(threads: int) -> str:
    """Return the name of the CPU in the table."""
    return f"cpu, {threads} thread{'s' if threads != 1 else ''}"
