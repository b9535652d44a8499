"""What `benchmark` measures: a run with PyTorch, an export folder with onnxruntime.

A process that measures imports this first, so nothing heavy is at the top: its cold start is that
of what it measures.
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

UNBOUND_S = 3
"""Seconds of a clip for models that take any length."""

RUNTIMES = {NETWORK: "onnx", INT8: "int8"}


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


def run_subjects(name: str, folder: Path, threads: Sequence[int | None]) -> list[Subject]:
    """Return a run with PyTorch, once for each number of threads; None for one a core."""
    return [Subject(name, "pytorch", folder, partial(load_run, threads=n)) for n in threads]


def export_subjects(folder: Path, threads: Sequence[int | None]) -> list[Subject]:
    """Return each network of an export folder, once for each number of threads."""
    return [
        Subject(str(folder), runtime, folder, partial(load_export, network=network, threads=n))
        for network, runtime in RUNTIMES.items()
        if (folder / network).is_file()
        for n in threads
    ]


def load_run(folder: Path, accelerator: str, *, threads: int | None = None) -> Loaded:
    """Return a run's best model on its device; with a number of threads, on the CPU.

    Raises:
        ConfigError: an accelerator that is unknown, or not here.
    """
    import torch

    from emotion.inference.torch_model import TorchModel
    from emotion.runs.run import Run

    here = torch.cuda.is_available()
    if accelerator not in ("auto", "cpu", "cuda") or (accelerator == "cuda" and not here):
        raise ConfigError(
            f"accelerator={accelerator}: choose auto, cpu or, where there is one, cuda."
        )
    device = "cuda" if here and accelerator != "cpu" and threads is None else "cpu"
    if threads is not None:
        torch.set_num_threads(threads)
    run = Run(folder)
    predictor = TorchModel(run, torch.device(device))
    features = predictor.model.features
    cuda = device == "cuda"
    return Loaded(
        predict=lambda waves: predictor.answer(waves).probabilities,
        samples=features.samples or UNBOUND_S * features.sample_rate,
        sample_rate=features.sample_rate,
        parameters=sum(weight.numel() for weight in predictor.model.parameters()),
        file=run.best,
        device=torch.cuda.get_device_name() if cuda else on_cpu(torch.get_num_threads()),
    )


def load_export(
    folder: Path, accelerator: str, *, network: str = NETWORK, threads: int | None = None
) -> Loaded:
    """Return a network of an export folder; it runs on the CPU, whatever the accelerator."""
    import psutil

    recogniser = OnnxModel(folder, network=network, threads=threads)
    rate: int = recogniser.about["sample_rate"]
    return Loaded(
        predict=lambda waves: recogniser.answer([[wave] for wave in waves]).probabilities,
        samples=recogniser.about["samples"] or UNBOUND_S * rate,
        sample_rate=rate,
        parameters=recogniser.about["parameters"],
        file=folder / network,
        device=on_cpu(threads or psutil.cpu_count(logical=False) or 1),
    )


def on_cpu(threads: int) -> str:
    """Return how a table calls the CPU."""
    return f"cpu, {threads} thread{'s' if threads != 1 else ''}"
