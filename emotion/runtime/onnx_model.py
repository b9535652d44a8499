"""An export folder as a recogniser: numpy, soundfile, soxr and onnxruntime are all that it needs.

`emotion export` copies this file, and those that it imports, beside the network.
"""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio.decode import Wave
from emotion.audio.quantise import dequantise, quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import RunError
from emotion.runtime.base import Clip, ModelOutput

FORMAT = 1
ABOUT = "model.json"
NETWORK, INT8 = "model.onnx", "model.int8.onnx"


class OnnxModel:
    """A network out of an export folder, with its preprocessing and calibration.

    Args:
        folder: what `emotion export` wrote.
        network: which file of the folder hears: model.onnx, or model.int8.onnx where there is one.
        threads: that share the work; None for one a core.

    Attributes:
        about: what model.json says.
        labels: the classes, by id.

    Raises:
        RunError: the folder is none, of another format, or damaged.
    """

    def __init__(
        self, folder: Path | str, *, network: str = NETWORK, threads: int | None = None
    ) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it reports its use
        import onnxruntime  # a fifth of a second, for nothing where another runtime answers

        self.folder = Path(folder).expanduser()
        self.about = read_about(self.folder)
        self.labels: tuple[str, ...] = tuple(self.about["labels"])
        self.standardiser = Standardiser(**self.about["standardisation"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Threads that wait sleep: spinning takes the cores from everything else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            read_network(self.folder, network, self.about), options, ["CPUExecutionProvider"]
        )

    @property
    def window(self) -> float:
        """The seconds of a clip that are heard; infinite where all are."""
        seconds = self.about["window_s"]
        return math.inf if seconds is None else float(seconds)

    def standardise(self, wave: Wave, sample_rate: int) -> Clip:
        """Return a clip as training sees it, the rounding of the cache included."""
        samples, scale = quantise(self.standardiser(wave, sample_rate), self.standardiser.storage)
        return [dequantise(samples, scale)]

    def answer(self, clips: Sequence[Clip]) -> ModelOutput:
        """Return the answers to standardised clips."""
        waves = [wave for (wave,) in clips]
        padded = np.zeros((len(waves), max(map(len, waves))), dtype=np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        probabilities, logits, embedding = self.session.run(
            ["probabilities", "logits", "embedding"], {"waves": padded}
        )
        return ModelOutput(
            probabilities=probabilities.astype(np.float64),
            logits=logits.astype(np.float64),
            embedding=embedding,
        )


def find_export(name: Path | str) -> tuple[Path, str] | None:
    """Return the export folder, and the network's file in it, that a path means; None otherwise."""
    path = Path(name).expanduser()
    folder, network = (path.parent, path.name) if path.suffix == ".onnx" else (path, NETWORK)
    return (folder, network) if (folder / ABOUT).is_file() else None


def read_about(folder: Path) -> dict[str, Any]:
    """Return what model.json says.

    Raises:
        RunError: it is not there, damaged, or of another format.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise RunError(f"{folder} is no export folder: it has no {ABOUT}. Make one: emotion export")
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = about["format"]
        complete = {"labels", "standardisation", "window_s", "profile", "files"} <= set(about)
    except (ValueError, KeyError, TypeError) as err:
        raise RunError(f"{path} is damaged, or no description of an emotion model.") from err
    if written != FORMAT:
        raise RunError(f"{path} has format {written}; this version reads {FORMAT}. Export again.")
    if not complete:
        raise RunError(f"{path} is damaged: it lacks entries. Export again.")
    return about


def read_network(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Return a network's file, as it was when model.json was written.

    Raises:
        RunError: it is not there, or was changed since.
    """
    expected = about["files"].get(name)
    path = folder / name
    if expected is None or not path.is_file():
        have = ", ".join(sorted(file for file in about["files"] if file.endswith(".onnx")))
        raise RunError(f"{folder} has no {name}; its description names {have or 'no network'}.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise RunError(f"{path} is damaged: its checksum is not that of {ABOUT}. Export again.")
    return content
