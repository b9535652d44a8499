"""Prediction with an export folder: its network, training profile and speech detector."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from emotion.audio.speech_detector import SpeechDetector
from emotion.errors import EmotionError
from emotion.runtime.clips import decode_clip
from emotion.runtime.description import read_about
from emotion.runtime.onnx_model import NETWORK, OnnxModel
from emotion.runtime.out_of_distribution import TrainingProfile
from emotion.runtime.predictor import Predictor
from emotion.runtime.rows import as_json_lines, prediction_row


def open_export(
    folder: Path | str, *, network: str = NETWORK, abstain_below: float = 0.0
) -> Predictor:
    """Return the predictor of an export folder, with all its notes.

    Args:
        folder: written by `emotion export`.
        network: file name of the network in it.
        abstain_below: the note is "not sure" where the highest probability is below this.

    Raises:
        RunError: the folder is not an export folder, or is damaged.
    """
    model = OnnxModel(folder, network=network)
    profile = read_profile(model.folder)
    return Predictor(
        model,
        speech_detector=SpeechDetector(),
        profiles=[] if profile is None else [profile],
        abstain_below=abstain_below,
    )


def read_profile(folder: Path) -> TrainingProfile | None:
    """Return the profile of the training clips in an export folder; None where it has none.

    Raises:
        RunError: the folder is not an export folder, or is damaged.
    """
    profile = read_about(folder)["profile"]
    return None if profile is None else TrainingProfile.from_dict(profile)


def predict_files(folder: Path, files: Sequence[str]) -> int:
    """Print one JSON line per readable file; return the exit code of `python predict.py FILE…`.

    It is 3 where some files could not be read, 2 without any file, else 0.
    """
    if not files:
        print("usage: python predict.py FILE…", file=sys.stderr)
        return 2
    predictor = open_export(folder)
    unread = 0
    for file in files:
        try:
            warn = partial(_warn, file)
            wave, rate = decode_clip(Path(file), window_s=predictor.window_s, warn=warn)
            clip = predictor.prepare(wave, rate)
        except EmotionError as err:
            _warn(file, str(err))
            unread += 1
            continue
        (prediction,) = predictor.predict([clip])
        row = prediction_row({"path": file}, prediction, predictor.labels)
        print(as_json_lines([row]), end="")
    return 3 if unread else 0


def _warn(file: str, text: str) -> None:
    print(f"{file} {text}", file=sys.stderr)
