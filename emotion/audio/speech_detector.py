"""Tells speech from silence, music and noise: Silero's small network, run by onnxruntime."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.audio.standardise import resample
from emotion.errors import DependencyError

RATE = 16_000
FRAME, CONTEXT = 512, 64
"""Samples that one probability is of, and those before them that the network is shown too."""

FRAMES = 512
"""Frames a call, which bounds the memory."""

STATE = (1, 1, 128)
FILE = "silero_vad_16k_sequence.onnx"

SPEAKS = 0.5
"""The probability from which a frame counts as speech."""

THRESHOLD = 0.16
"""The share of such frames that makes a clip speech; benchmarks/speech_gate.py chose it."""


class SpeechDetector:
    """Says whether a clip holds speech.

    Args:
        path: the network's file; None takes that of the installed package silero-vad.

    Raises:
        DependencyError: there is no such file.
    """

    def __init__(self, path: Path | None = None) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it reports its use
        import onnxruntime  # a fifth of a second, for nothing where no gate is asked for

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path or find_network()), options, providers=["CPUExecutionProvider"]
        )

    def is_speech(self, wave: Wave, sample_rate: int) -> bool:
        """Return whether enough of a clip, (T,), is speech."""
        return self.speech_share(wave, sample_rate) >= THRESHOLD

    def speech_share(self, wave: Wave, sample_rate: int) -> float:
        """Return the share of a clip's time, (T,), in which somebody speaks."""
        return float(np.mean(self.frames(wave, sample_rate) >= SPEAKS))

    def frames(self, wave: Wave, sample_rate: int) -> npt.NDArray[np.float32]:
        """Return the probability of speech in every 32 ms: (T,) -> (frames,)."""
        wave = resample(wave, sample_rate, to_rate=RATE)
        padded = np.pad(wave, (CONTEXT, -len(wave) % FRAME))
        shown = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        hidden, cell = np.zeros(STATE, np.float32), np.zeros(STATE, np.float32)
        found = []
        for start in range(0, len(shown), FRAMES):
            given = {"input": shown[start : start + FRAMES].copy(), "h": hidden, "c": cell}
            speech, hidden, cell = self.session.run(["speech_probs", "hn", "cn"], given)
            found.append(speech)
        return np.concatenate(found)


def find_network() -> Path:
    """Return Silero's file, without importing its package, which would import torch.

    Raises:
        DependencyError: the package is not installed, or an older one.
    """
    spec = importlib.util.find_spec("silero_vad")
    path = Path(spec.origin).parent / "data" / FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DependencyError(
            f"{FILE}, which tells speech from noise, is not there. Install it by "
            "pip install 'silero-vad>=6.2.3', or do without: speech_gate=false."
        )
    return path
