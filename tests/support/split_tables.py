"""Tables of clips for tests of splits."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from emotion.config.build import build
from emotion.config.composition import compose
from emotion.data.speakers import speaker_ids
from emotion.data.splits.base import Split, SplitProtocol
from emotion.errors import ConfigError, SplitError

EMOTIONS = ("sad", "angry", "disgust", "fear", "happy", "neutral")
COLUMNS = ["path", "corpus", "speaker", "sex", "emotion", "text"]
SPEAKERS = {
    "crema_d": [str(actor) for actor in range(1001, 1092)],
    "ravdess": [f"{actor:02}" for actor in range(1, 25)],
    "savee": ["DC", "JE", "JK", "KL"],
    "tess": ["OAF", "YAF"],
}


def table_of(speakers: Mapping[str, list[str]], *, texts: int = 3) -> pd.DataFrame:
    """Return a table with every text in every emotion for every speaker."""
    rows = [
        (f"{corpus}/{name}_{text}_{emotion}", corpus, name, "fm"[index % 2], emotion, f"t{text}")
        for corpus, names in speakers.items()
        for index, name in enumerate(names)
        for text, emotion in product(range(texts), EMOTIONS)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> pd.DataFrame:
    """Return tables of corpora of any size that share speaker names; `least` clips per speaker."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = []
    for corpus in range(draw(st.integers(1, 3))):
        emotions, texts = draw(st.integers(1, 4)), draw(st.integers(1, 6))
        for speaker in range(draw(st.integers(1, 8))):
            sex = rng.choice(["f", "m", ""])
            for _ in range(rng.integers(least, least + draw(st.integers(1, 6)))):
                text = rng.choice(["", *(f"t{n}" for n in range(texts))])
                emotion = EMOTIONS[rng.integers(emotions)]
                path = f"c{corpus}/{len(rows):03}.wav"
                rows.append((path, f"c{corpus}", f"s{speaker}", sex, emotion, text))
    return pd.DataFrame(rows, columns=COLUMNS)


def with_segments(table: pd.DataFrame, *, files: int, seed: int) -> pd.DataFrame:
    """Return a table whose clips are segments of at most `files` files of each corpus."""
    number = np.random.default_rng(seed).integers(files, size=len(table))
    table = table.assign(path=table["corpus"] + "/" + pd.Series(number, table.index).astype(str))
    start = table.groupby("path").cumcount().astype(float)
    return table.assign(start=start, end=start + 1.5)


def speakers_in(table: pd.DataFrame, split: Split, *subsets: str) -> set[str]:
    """Return the speaker ids in some subsets."""
    return set(speaker_ids(table)[split.subset.isin(subsets)])


def names_in(table: pd.DataFrame, split: Split, subset: str, corpus: str) -> set[str]:
    """Return the names of a corpus' speakers in a subset."""
    return set(table["speaker"][(split.subset == subset) & (table["corpus"] == corpus)])


def build_split(*overrides: str) -> SplitProtocol:
    """Return a protocol as `emotion train` would build it."""
    protocol: SplitProtocol = build(compose("train", overrides).settings.split, "split")
    return protocol


def split_if_possible(protocol: SplitProtocol, table: pd.DataFrame) -> Split | None:
    """Return the split, or None where the error names the allowed values or protocols that fit."""
    try:
        return protocol.assign(table)
    except (SplitError, ConfigError) as err:
        hints = ("protocols that fit: split=", "which this dataset does not have", "split.fold=")
        if not any(hint in str(err) for hint in hints):
            raise
        return None
