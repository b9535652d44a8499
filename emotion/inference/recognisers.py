"""Opens what `run=` names: an export folder without PyTorch, run folders with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import ConfigError
from emotion.inference.interface import Recogniser
from emotion.inference.runtime import OnnxRecogniser, find_export

if TYPE_CHECKING:
    from emotion.runs import Run


def open_recogniser(
    names: Sequence[str | None], output_root: Path, *, accelerator: str = "auto"
) -> Recogniser:
    """Return what hears as the named models do.

    Args:
        names: one export folder, or a network's file in one; else runs, whose answers are averaged.
        output_root: where `latest` is looked for.
        accelerator: cpu, or auto for CUDA where there is one; of export folders always the CPU.

    Raises:
        RunError: there is no such folder, or it is damaged.
        ConfigError: no name, or an export folder among others.
    """
    if not names:
        raise ConfigError("run=[] names no run. Give one, run=latest, or several, run=[A,B].")
    exports = [find_export(name) if name else None for name in names]
    first = exports[0]
    if first is not None and len(names) == 1:
        folder, network = first
        return OnnxRecogniser(folder, network=network)
    if any(exports):
        raise ConfigError(
            f"run=[{','.join(map(str, names))}]: an export folder answers alone. Give it by "
            "itself, or the run folders of all."
        )
    from emotion.runs import find_run

    return open_runs([find_run(name, output_root) for name in names], accelerator)


def open_runs(runs: "Sequence[Run]", accelerator: str = "auto") -> Recogniser:
    """Return the best models of runs, as one, on CUDA where there is one and `cpu` is not asked."""
    import torch

    from emotion.inference.predictor import Ensemble

    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return Ensemble(runs, torch.device("cuda" if cuda else "cpu"))
