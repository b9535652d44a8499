"""Holds the networks of an export folder against PyTorch, and against one another."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.errors import ModelError
from emotion.export.check_clips import Samples
from emotion.inference.torch_model import TorchModel
from emotion.metrics.classification import score
from emotion.runtime.base import Clip, ModelOutput
from emotion.runtime.onnx_model import INT8, NETWORK, OnnxModel

TOLERANCE = 1e-4
"""By how much a logit or a probability of model.onnx may differ from PyTorch's."""

BATCH = 16
REPEATS = 20


def compare(predictor: TorchModel, folder: Path, samples: Samples) -> dict[str, Any]:
    """Return how the networks of a folder compare with PyTorch, and with one another.

    Raises:
        ModelError: model.onnx answers otherwise.
    """
    expected = answer_all(
        lambda clips: predictor.answer([clip[0] for clip in clips]), samples.waves
    )
    networks: dict[str, Any] = {}
    for name in (NETWORK, INT8):
        if not (folder / name).is_file():
            continue
        recogniser = OnnxModel(folder, network=name)
        found = answer_all(recogniser.answer, samples.waves)
        networks[name] = {
            "bytes": (folder / name).stat().st_size,
            "clip_ms": clip_ms(OnnxModel(folder, network=name, threads=1), samples.waves[0]),
            "uar": _uar(found, samples, predictor.labels),
            "off_by": {
                part: float(np.abs(getattr(found, part) - getattr(expected, part)).max())
                for part in ("probabilities", "logits")
            },
        }
        worst = max(networks[name]["off_by"].values())
        if name == NETWORK and not worst <= TOLERANCE:
            raise ModelError(
                f"the exported network's answers differ from PyTorch's by {worst:.2g}, on "
                f"{len(samples.waves)} {samples.source}; {TOLERANCE:g} is allowed. Nothing is kept."
            )
    compared = {"clips": len(samples.waves), "source": samples.source}
    return {"networks": networks, "compared_on": compared}


def answer_all(answer: Callable[[list[Clip]], ModelOutput], waves: list[Wave]) -> ModelOutput:
    """Return the answers to all waves, asked in batches of similar length, in their order."""
    order = np.argsort([len(wave) for wave in waves], kind="stable")
    parts = [
        answer([[waves[place]] for place in order[start : start + BATCH]])
        for start in range(0, len(order), BATCH)
    ]
    back = np.argsort(order)
    return ModelOutput(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])[back]
            for field in dataclasses.fields(ModelOutput)
        }
    )


def clip_ms(recogniser: OnnxModel, wave: Wave) -> float:
    """Return the median time of one clip, in milliseconds."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        recogniser.answer([[wave]])
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds))


def _uar(answers: ModelOutput, samples: Samples, labels: tuple[str, ...]) -> float | None:
    if samples.target is None:
        return None
    return float(score(samples.target, answers.logits.argmax(axis=1), labels).uar)
