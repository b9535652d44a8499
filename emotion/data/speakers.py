"""Speaker ids that are unique across corpora, and speakers who share a file."""

import pandas as pd

from emotion.data.segments import START, link_files
from emotion.utils.names import name_key

UNKNOWN = "unknown"  # speaker of clips without a speaker name
UNKNOWN_ID = ""


def is_unknown(speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Return whether each name stands for an unknown speaker: empty, or "unknown"."""
    unknown: pd.Series[bool] = speakers.map(name_key).isin(["", UNKNOWN])
    return unknown


def speaker_corpora(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the corpus that the speaker of each row belongs to: `speakers_of`, else its own."""
    corpora: pd.Series[str] = table["speakers_of" if "speakers_of" in table else "corpus"]
    return corpora


def speaker_ids(table: pd.DataFrame) -> "pd.Series[str]":
    """Return corpus/speaker of each row, `UNKNOWN_ID` for an unknown speaker.

    Two corpora may use the same name for two speakers, unless one has the speakers of the other.
    """
    ids: pd.Series[str] = speaker_corpora(table) + "/" + table["speaker"]
    return ids.mask(is_unknown(table["speaker"]), UNKNOWN_ID)


def count_speakers(table: pd.DataFrame) -> int:
    """Return the number of known speakers."""
    return len(set(speaker_ids(table)) - {UNKNOWN_ID})


def link_speakers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with one name, such as "a+b", for the speakers who share a file.

    A clip of an unknown speaker has the name of the others in its file. Without segments, no file
    is shared.
    """
    if START not in table:
        return table
    known = ~is_unknown(table["speaker"])
    group = link_files(table, speaker_ids(table).where(known, table["path"]))
    names = (
        table["speaker"][known].groupby(group[known]).agg(lambda each: "+".join(sorted(set(each))))
    )
    return table.assign(speaker=group.map(names).fillna(UNKNOWN))
