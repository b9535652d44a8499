"""The network of an export folder as a model, run by onnxruntime without PyTorch."""

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.standardise import Standardiser, pad_waves
from emotion.errors import ModelError, RunError
from emotion.runtime.base import ModelOutput, StandardisedClip
from emotion.runtime.description import ABOUT, read_about
from emotion.runtime.onnx_check import network_problem

NETWORK, INT8 = "model.onnx", "model.int8.onnx"

INPUTS = {"waves": ("tensor(float)", 2), "lengths": ("tensor(int64)", 1)}
"""Type and number of dimensions of each input of a network."""


class OnnxModel:
    """A network of an export folder, with its preprocessing and calibration.

    Args:
        folder: written by `emotion export`.
        network: file name of the network: model.onnx, or model.int8.onnx where it was exported.
        threads: of onnxruntime; None for one per core.

    Attributes:
        about: content of model.json.

    Raises:
        RunError: the folder is not an export folder, has another format, is damaged, or its network
            has operators that an export never has.
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
        # By default the content decides, and onnxruntime's own format would pass unchecked.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        content = read_network(self.folder, network, self.about)
        try:
            self.session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        except Exception as err:  # onnxruntime has a dozen of its own
            raise RunError(f"{self.folder / network} cannot be opened: {_one_line(err)}") from err
        self._check_shapes(network)

    def _check_shapes(self, network: str) -> None:
        """Check the inputs and outputs of the network; RunError for others than an export has."""
        inputs = {each.name: (each.type, len(each.shape)) for each in self.session.get_inputs()}
        outputs = {each.name: (each.type, each.shape) for each in self.session.get_outputs()}
        profile = self.about["profile"]
        classes = len(self.labels)
        widths = {
            "probabilities": classes,
            "logits": classes,
            "embedding": len(profile["embedding"]["mean"]) if profile else None,
        }
        fits = inputs == INPUTS and set(outputs) >= set(widths)
        for name, width in widths.items() if fits else ():
            kind, shape = outputs[name]
            fits &= kind == "tensor(float)" and len(shape) == 2
            fits = fits and (width is None or shape[1] == width or isinstance(shape[1], str))
        if not fits:
            raise RunError(
                f"{self.folder / network} does not have the inputs and outputs that {ABOUT} "
                "describes. Export again."
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
        try:
            probabilities, logits, embedding = self.session.run(
                ["probabilities", "logits", "embedding"], {"waves": batch, "lengths": lengths}
            )
        except Exception as err:  # onnxruntime has a dozen of its own
            raise ModelError(f"{self.folder}: the network fails: {_one_line(err)}") from err
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


def read_network(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Return the bytes of a network's file, checked against the checksum in model.json.

    Raises:
        RunError: it is missing, was changed since, or has operators that no export has.
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
    if problem := network_problem(content):
        raise RunError(f"{path} {problem}, which an exported network never does.")
    return content


def _one_line(error: Exception) -> str:
    """Return the beginning of a message of onnxruntime."""
    return " ".join(str(error).split())[:200]
