"""A table of clips with a clean split, for tests of leaks and shortcuts."""

import numpy as np
import pandas as pd

EMOTIONS = ("sad", "angry")


def labelled_clips(count: int = 60) -> pd.DataFrame:
    """Return clips of six speakers: one tests, one validates, four train."""
    rng = np.random.default_rng(0)
    speaker = [f"s{index % 6}" for index in range(count)]
    subset = {"s0": "test", "s1": "val"}
    table = pd.DataFrame(
        {
            "path": [f"{index}.wav" for index in range(count)],
            "corpus": "x",
            "speaker": speaker,
            "emotion": [EMOTIONS[index % 4 // 2] for index in range(count)],
            "text": [f"t{index % 5}" for index in range(count)],
            "audio_hash": [str(index) for index in range(count)],
            "subset": [subset.get(name, "train") for name in speaker],
        }
    )
    for cue in ("level_db", "loudest_db", "lead_ms", "tail_ms", "dc", "clipped"):
        table[cue] = rng.normal(size=count) if cue != "clipped" else 0
    return table
