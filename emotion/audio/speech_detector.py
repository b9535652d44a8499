"""Speech detection (voice activity): Silero's network, run by onnxruntime."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotion.audio.decode import Wave
from emotion.audio.standardise import resample
from emotion.errors import DependencyError

SAMPLE_RATE = 16_000
FRAME_SAMPLES, CONTEXT_SAMPLES = 512, 64
"""Samples of a frame, which gets one probability, and of context before it, input too."""

FRAMES_PER_CALL = 512  # limit of frames in one call of the network, which bounds the memory
STATE_SHAPE = (1, 1, 128)
NETWORK_FILE = "silero_vad_16k_sequence.onnx"

SPEECH_PROBABILITY = 0.5  # from which a frame counts as speech
MIN_SPEECH_FRACTION = 0.16  # from which a clip is speech; chosen by benchmarks/speech_gate.py


class SpeechDetector:
    """Detect whether a clip contains speech.

    Args:
        path: of the network's file; None takes the one in the installed package silero-vad.

    Raises:
        DependencyError: the package silero-vad is missing or too old.
    """

    def __init__(self, path: Path | None = None) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default
        import onnxruntime  # 0.2 s, spent only where speech detection is on

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path or find_silero_network()), options, providers=["CPUExecutionProvider"]
        )

    def is_speech(self, wave: Wave, sample_rate: int) -> bool:
        """Return whether at least `MIN_SPEECH_FRACTION` of a clip, (T,), is speech."""
        return self.speech_fraction(wave, sample_rate) >= MIN_SPEECH_FRACTION

    def speech_fraction(self, wave: Wave, sample_rate: int) -> float:
        """Return the fraction of a clip's frames, (T,), that contain speech."""
        return float(np.mean(self.frame_probabilities(wave, sample_rate) >= SPEECH_PROBABILITY))

    def frame_probabilities(self, wave: Wave, sample_rate: int) -> npt.NDArray[np.float32]:
        """Return the probability of speech in every frame of 32 ms: (T,) -> (frames,)."""
        wave = resample(wave, sample_rate, to_rate=SAMPLE_RATE)
        padded = np.pad(wave, (CONTEXT_SAMPLES, -len(wave) % FRAME_SAMPLES))
        size = CONTEXT_SAMPLES + FRAME_SAMPLES
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::FRAME_SAMPLES]
        hidden, cell = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)
        probabilities = []
        for start in range(0, len(frames), FRAMES_PER_CALL):
            batch = frames[start : start + FRAMES_PER_CALL].copy()
            inputs = {"input": batch, "h": hidden, "c": cell}
            output, hidden, cell = self.session.run(["speech_probs", "hn", "cn"], inputs)
            probabilities.append(output)
        return np.concatenate(probabilities)


def find_silero_network() -> Path:
    """Return the path of Silero's file: beside this module in an export folder, or in its package.

    The package is not imported, since it imports torch. If it is missing or too old,
    DependencyError is raised.
    """
    copy = Path(__file__).with_name(NETWORK_FILE)
    if copy.is_file():
        return copy
    spec = importlib.util.find_spec("silero_vad")
    path = Path(spec.origin).parent / "data" / NETWORK_FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DependencyError(
            f"speech detection needs {NETWORK_FILE}, which is not installed. Install it by "
            "pip install 'silero-vad>=6.2.3', or turn speech detection off: speech_gate=false."
        )
    return path
