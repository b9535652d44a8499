"""Speaker ids that are unique across corpora."""

import pandas as pd

from emotion.utils.names import name_key

UNKNOWN = "unknown"  # speaker of clips without a speaker name


def is_unknown(speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Return whether each name stands for an unknown speaker: empty, or "unknown"."""
    unknown: pd.Series[bool] = speakers.map(name_key).isin(["", UNKNOWN])
    return unknown


def speaker_ids(table: pd.DataFrame) -> "pd.Series[str]":
    """Return corpus/speaker of each row: two corpora may use the same speaker name."""
    ids: pd.Series[str] = table["corpus"] + "/" + table["speaker"]
    return ids
