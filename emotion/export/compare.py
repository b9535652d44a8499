"""Compare the networks of an export folder with PyTorch: outputs, size, speed and UAR."""

import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.errors import ModelError
from emotion.export.check_clips import CheckClips
from emotion.export.onnx_graph import OUTPUTS
from emotion.inference.torch_model import TorchModel
from emotion.metrics.classification import score
from emotion.runtime.base import ModelOutput
from emotion.runtime.onnx_model import INT8, NETWORK, OnnxModel

TOLERANCE = 1e-4
"""Largest allowed difference of a logit or probability between model.onnx and PyTorch."""

BATCH_CLIPS = 16
TIMED_REPEATS = 20


def compare_networks(model: TorchModel, folder: Path, clips: CheckClips) -> dict[str, Any]:
    """Return the comparison of each network in a folder with PyTorch, for model.json.

    Raises:
        ModelError: the outputs of model.onnx differ.
    """
    expected = infer_all(model.infer, clips.waves)
    networks: dict[str, Any] = {}
    for name in (NETWORK, INT8):
        if not (folder / name).is_file():
            continue
        network = OnnxModel(folder, network=name)
        output = infer_all(network.infer_waves, clips.waves)
        networks[name] = {
            "bytes": (folder / name).stat().st_size,
            "clip_ms": clip_ms(OnnxModel(folder, network=name, threads=1), clips.waves[0]),
            "uar": _uar(output, clips, model.labels),
            "off_by": {
                part: float(np.abs(getattr(output, part) - getattr(expected, part)).max())
                for part in ("probabilities", "logits")
            },
        }
        difference = max(networks[name]["off_by"].values())
        if name == NETWORK and not difference <= TOLERANCE:
            raise ModelError(
                f"the outputs of the exported network differ from PyTorch's by {difference:.2g}, "
                f"on {len(clips.waves)} {clips.source}; {TOLERANCE:g} is allowed. Nothing is kept."
            )
    compared_on = {"clips": len(clips.waves), "source": clips.source}
    return {"networks": networks, "compared_on": compared_on}


def infer_all(infer: Callable[[list[Wave]], ModelOutput], waves: list[Wave]) -> ModelOutput:
    """Return the output for all waves, in their order; batches contain similar lengths."""
    order = np.argsort([len(wave) for wave in waves], kind="stable")
    outputs = [
        infer([waves[index] for index in order[start : start + BATCH_CLIPS]])
        for start in range(0, len(order), BATCH_CLIPS)
    ]
    joined = {
        name: np.concatenate([getattr(output, name) for output in outputs])[np.argsort(order)]
        for name in OUTPUTS
    }
    return ModelOutput(**joined)


def clip_ms(network: OnnxModel, wave: Wave) -> float:
    """Return the median time for one clip, in milliseconds."""
    seconds = timeit.repeat(lambda: network.infer_waves([wave]), number=1, repeat=TIMED_REPEATS)
    return 1000 * float(np.median(seconds))


def _uar(output: ModelOutput, clips: CheckClips, labels: tuple[str, ...]) -> float | None:
    if clips.target is None:
        return None
    return float(score(clips.target, output.logits.argmax(axis=1), labels).uar)
