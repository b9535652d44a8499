"""Data leakage of a split: speakers, files and recordings in test and in training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotion.data.speakers import is_unknown
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.errors import LeakError
from emotion.utils.names import name_key

MAX_NAMED = 3
"""Number of speakers, files or recordings that a message names."""


@dataclass(frozen=True)
class Audit:
    """A sentence for each leak of a split, and remarks that are none, such as shared sentences."""

    leaks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return {"leaks": list(self.leaks), "remarks": list(self.remarks)}


def audit_split(
    table: pd.DataFrame, *, allow_leak: bool, trained_on: pd.DataFrame | None = None
) -> Audit:
    """Return the leaks of a split.

    A leak is a speaker, a file or a recording (`audio_hash`) that is in test and also in train or
    val, or a test speaker that is also in `trained_on`. Validation may share speakers with train,
    never with test.

    Args:
        table: a row a clip: path, corpus, speaker, text, subset, and audio_hash if known.
        allow_leak: return leaks in place of an error.
        trained_on: clips that the initial weights were trained on: corpus, speaker.

    Raises:
        LeakError: there is a leak and `allow_leak` is not set.
    """
    found, remedy = list(_leaks(table)), "Correct the split"
    if trained_on is not None and (earlier := list(_leaks_of_weights(table, trained_on))):
        found += earlier
        remedy += " or start from other weights"
    if found and not allow_leak:
        raise LeakError(
            f"this split leaks: {'; '.join(found)}. {remedy}, or set split.allow_leak=true "
            "to train in spite of it: all metrics are then marked LEAKS."
        )
    return Audit(tuple(found), tuple(_remarks(table)))


def _leaks(table: pd.DataFrame) -> Iterator[str]:
    kinds = {"speaker": table["corpus"] + " " + table["speaker"], "file": table["path"]}
    if "audio_hash" in table:
        kinds["recording"] = table["audio_hash"]
    test = table["subset"] == TEST
    for kind, names in kinds.items():
        for part in (TRAIN, VAL):
            shared = sorted(set(names[test]) & set(names[table["subset"] == part]))
            if kind == "recording":
                shared = [_both_paths(table, digest, part) for digest in shared]
            if shared:
                yield f"{_listed(kind, shared)} in test and in {part}"


def _leaks_of_weights(table: pd.DataFrame, trained_on: pd.DataFrame) -> Iterator[str]:
    tested, known = (
        {name_key(name): name for name in (clips["corpus"] + " " + clips["speaker"])[~unknown]}
        for clips, unknown in (
            (clips, is_unknown(clips["speaker"]))
            for clips in (table[table["subset"] == TEST], trained_on)
        )
    )
    if shared := sorted(tested[key] for key in tested.keys() & known.keys()):
        named = _listed("speaker", shared)
        yield f"{named} in test and in the training clips of the initial weights"


def _listed(kind: str, names: Sequence[str]) -> str:
    """Return the first names and the number of further ones."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names[:MAX_NAMED])}{more}"


def _both_paths(table: pd.DataFrame, digest: str, part: str) -> str:
    """Return the two files that contain one recording."""
    same = table[table["audio_hash"] == digest]
    first = same["path"][same["subset"] == TEST].iloc[0]
    return f"{first} = {same['path'][same['subset'] == part].iloc[0]}"


def _remarks(table: pd.DataFrame) -> Iterator[str]:
    texts, known = table["corpus"] + "/" + table["text"], table["text"] != ""
    test, train = (set(texts[known & (table["subset"] == part)]) for part in (TEST, TRAIN))
    if shared := test & train:
        yield (
            f"{len(shared)} of the {len(test)} sentences or words of the test clips are also in "
            "train: the words are not new to the model, the speakers are"
        )
