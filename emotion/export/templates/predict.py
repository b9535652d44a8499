"""Says which emotion a voice has: python predict.py FILE… -> one line of JSON a file."""

import json
import sys
from pathlib import Path

from emotion.audio.decode import decode
from emotion.audio.speech_detector import FILE, SpeechDetector
from emotion.errors import EmotionError
from emotion.runtime.onnx_model import OnnxModel
from emotion.runtime.out_of_distribution import Profile
from emotion.runtime.predictor import Predictor

FOLDER = Path(__file__).resolve().parent


def load(folder: Path = FOLDER) -> OnnxModel:
    """Return what hears as the model of this folder does."""
    return OnnxModel(folder)


def load_predictor(folder: Path = FOLDER, *, abstain_below: float = 0.0) -> Predictor:
    """Return who judges with it: "no speech", "not sure" under a probability, "unlike training"."""
    recogniser = load(folder)
    profile = recogniser.about["profile"]
    return Predictor(
        recogniser,
        gate=SpeechDetector(folder / FILE),
        profiles=[Profile.from_dict(profile)] if profile else [],
        abstain_below=abstain_below,
    )


def main(files: list[str]) -> int:
    """Print one line a readable file; return 3 where some could not be read, 2 without a file."""
    if not files:
        print("usage: python predict.py FILE…", file=sys.stderr)
        return 2
    predictor = load_predictor()
    unread = 0
    for file in files:
        try:
            clip = predictor.prepare(*decode(Path(file)))
        except EmotionError as err:
            print(f"{file} {err}", file=sys.stderr)
            unread += 1
            continue
        (opinion,) = predictor.judge([clip])
        chances = zip(predictor.labels, opinion.probabilities, strict=True)
        row = {"path": file, "predicted": opinion.predicted, "note": opinion.note}
        print(json.dumps(row | {f"p_{label}": p for label, p in chances}, ensure_ascii=False))
    return 3 if unread else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
