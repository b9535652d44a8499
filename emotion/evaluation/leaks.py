"""Data leakage across a split: speakers, files and recordings on both sides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotion.data.corpora.readers import UNKNOWN
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.errors import LeakError

NAMED = 3


@dataclass(frozen=True)
class Audit:
    """What was found in a split.

    Attributes:
        leaks: a sentence each, on what is in test and also in train or val; empty where clean.
        remarks: what a reader should know and is no leak, such as shared sentences.
    """

    leaks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return {"leaks": list(self.leaks), "remarks": list(self.remarks)}


def audit_split(
    table: pd.DataFrame, *, allow_leak: bool, heard: pd.DataFrame | None = None
) -> Audit:
    """Return what is wrong with a division, from columns path, corpus, speaker, text, subset.

    A leak is a speaker, a file or a recording (`audio_hash`) that is in test and also in train or
    val, or a speaker whom the weights have `heard`. Validation may share speakers with train,
    never with test.

    Args:
        table: a row a clip.
        allow_leak: find leaks, and do not refuse them.
        heard: clips that the weights learned from before, with corpus and speaker.

    Raises:
        LeakError: there is a leak and `allow_leak` is not set.
    """
    found = list(_leaks(table))
    way_out = "Mend the split"
    if heard is not None and (before := list(_leaks_of_weights(table, heard))):
        found += before
        way_out += " or start from other weights"
    if found and not allow_leak:
        raise LeakError(
            f"this split leaks: {'; '.join(found)}. {way_out}, or set split.allow_leak=true "
            "to train all the same, every figure marked."
        )
    return Audit(tuple(found), tuple(_remarks(table)))


def _leaks(table: pd.DataFrame) -> Iterator[str]:
    speakers = table["corpus"] + " " + table["speaker"]
    kinds = [("speaker", speakers), ("file", table["path"])]
    if "audio_hash" in table:
        kinds.append(("recording", table["audio_hash"]))
    test = table["subset"] == TEST
    for kind, names in kinds:
        for part in (TRAIN, VAL):
            shared = sorted(set(names[test]) & set(names[table["subset"] == part]))
            if not shared:
                continue
            if kind == "recording":
                shared = [_both_paths(table, digest, part) for digest in shared]
            yield f"{_listed(kind, shared)} in test and in {part}"


def _leaks_of_weights(table: pd.DataFrame, heard: pd.DataFrame) -> Iterator[str]:
    test = table[table["subset"] == TEST]
    told, known = (
        set((clips["corpus"] + " " + clips["speaker"])[clips["speaker"] != UNKNOWN])
        for clips in (test, heard)
    )
    if shared := sorted(told & known):
        yield f"{_listed('speaker', shared)} in test and in what the weights learned from before"


def _listed(kind: str, names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names[:NAMED])}{more}"


def _both_paths(table: pd.DataFrame, digest: str, part: str) -> str:
    """Return the two files that hold one recording."""
    same = table[table["audio_hash"] == digest]
    first = same["path"][same["subset"] == TEST].iloc[0]
    return f"{first} = {same['path'][same['subset'] == part].iloc[0]}"


def _remarks(table: pd.DataFrame) -> Iterator[str]:
    spoken = table["corpus"] + "/" + table["text"]
    known = table["text"] != ""
    test = set(spoken[known & (table["subset"] == TEST)])
    shared = test & set(spoken[known & (table["subset"] == TRAIN)])
    if shared:
        yield (
            f"{len(shared)} of the {len(test)} sentences or words of the test clips are also in "
            "train: the model may know the words, not the voices"
        )
