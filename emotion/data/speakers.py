"""Speaker ids that are unique across corpora."""

import pandas as pd

UNKNOWN = "unknown"  # speaker of clips without a speaker name


def speaker_ids(table: pd.DataFrame) -> "pd.Series[str]":
    """Return corpus/speaker of each row: two corpora may use the same speaker name."""
    ids: pd.Series[str] = table["corpus"] + "/" + table["speaker"]
    return ids
