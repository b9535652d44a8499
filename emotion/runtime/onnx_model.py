"""The network of an export folder as a model, run by onnxruntime without PyTorch."""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import Standardiser, pad_waves
from emotion.errors import RunError
from emotion.runtime.base import ModelOutput, StandardisedClip

FORMAT = 2
"""Version of model.json and of the inputs and outputs of the networks."""

ABOUT = "model.json"
NETWORK, INT8 = "model.onnx", "model.int8.onnx"


class OnnxModel:
    """A network of an export folder, with its preprocessing and calibration.

    Args:
        folder: written by `emotion export`.
        network: file name of the network: model.onnx, or model.int8.onnx where it was exported.
        threads: of onnxruntime; None for one per core.

    Attributes:
        about: content of model.json.

    Raises:
        RunError: the folder is not an export folder, has another format, or is damaged.
    """

    def __init__(
        self, folder: Path | str, *, network: str = NETWORK, threads: int | None = None
    ) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default
        import onnxruntime  # 0.2 s, spent only where it is used

        self.folder = Path(folder).expanduser()
        self.about = read_about(self.folder)
        self.labels: tuple[str, ...] = tuple(self.about["labels"])
        self.standardiser = Standardiser(**self.about["standardisation"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Idle threads sleep: spinning would take the cores from other work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            read_network(self.folder, network, self.about), options, ["CPUExecutionProvider"]
        )

    @property
    def window_s(self) -> float:
        """Length of a clip that the model classifies, in seconds; infinite for any length."""
        seconds = self.about["window_s"]
        return math.inf if seconds is None else float(seconds)

    def standardise(self, wave: Wave, sample_rate: int) -> StandardisedClip:
        """Return a clip standardised as in training, including the rounding of the cache."""
        return [self.standardiser.as_in_training(wave, sample_rate)]

    def infer(self, clips: Sequence[StandardisedClip]) -> ModelOutput:
        """Return the output for a batch of standardised clips, in their order."""
        return self.infer_waves([wave for (wave,) in clips])

    def infer_waves(self, waves: Sequence[Wave]) -> ModelOutput:
        """Return the output for a batch of standardised waves, (T,) each, in their order."""
        batch, lengths = pad_waves(waves)
        probabilities, logits, embedding = self.session.run(
            ["probabilities", "logits", "embedding"], {"waves": batch, "lengths": lengths}
        )
        return ModelOutput(
            probabilities=probabilities.astype(np.float64),
            logits=logits.astype(np.float64),
            embedding=embedding,
        )


def find_export(name: Path | str) -> tuple[Path, str] | None:
    """Return the folder and the network's file name, where a path is an export or its network."""
    path = Path(name).expanduser()
    folder, network = (path.parent, path.name) if path.suffix == ".onnx" else (path, NETWORK)
    return (folder, network) if (folder / ABOUT).is_file() else None


def read_about(folder: Path) -> dict[str, Any]:
    """Return the content of model.json.

    Raises:
        RunError: it is missing, damaged, or has another format.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise RunError(
            f"{folder} is not an export folder: it has no {ABOUT}. Write one: emotion export"
        )
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = about["format"]
        complete = {"labels", "standardisation", "window_s", "profile", "files"} <= set(about)
    except (ValueError, KeyError, TypeError) as err:
        raise RunError(f"{path} is damaged, or does not describe an emotion model.") from err
    if written != FORMAT:
        raise RunError(f"{path} has format {written}; this version reads {FORMAT}. Export again.")
    if not complete:
        raise RunError(f"{path} is damaged: it lacks entries. Export again.")
    return about


def read_network(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Return the bytes of a network's file, checked against the checksum in model.json.

    Raises:
        RunError: it is missing, or was changed since.
    """
    expected = about["files"].get(name)
    path = folder / name
    if expected is None or not path.is_file():
        names = ", ".join(sorted(file for file in about["files"] if file.endswith(".onnx")))
        raise RunError(f"{folder} has no {name}; its {ABOUT} lists {names or 'no network'}.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise RunError(
            f"{path} is damaged: its checksum differs from that in {ABOUT}. Export again."
        )
    return content
