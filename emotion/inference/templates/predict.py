"""Says which emotion a voice has: python predict.py FILE… -> one line of JSON a file."""

import json
import sys
from pathlib import Path

from emotion.audio.decode import decode
from emotion.errors import AudioError
from emotion.inference.runtime import OnnxRecogniser

FOLDER = Path(__file__).resolve().parent


def load(folder: Path = FOLDER) -> OnnxRecogniser:
    """Return what hears as the model of this folder does."""
    return OnnxRecogniser(folder)


def main(files: list[str]) -> int:
    """Print one line a readable file; return 3 where some could not be read, 2 without a file."""
    if not files:
        print("usage: python predict.py FILE…", file=sys.stderr)
        return 2
    recogniser = load()
    unread = 0
    for file in files:
        try:
            clip = recogniser.standardise(*decode(Path(file)))
        except AudioError as err:
            print(f"{file} {err}", file=sys.stderr)
            unread += 1
            continue
        (chances,) = recogniser.answer([clip]).probabilities.tolist()
        best = recogniser.labels[chances.index(max(chances))]
        named = {f"p_{label}": p for label, p in zip(recogniser.labels, chances, strict=True)}
        row = {"path": file, "predicted": best, "note": "", **named}
        print(json.dumps(row, ensure_ascii=False))
    return 3 if unread else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
