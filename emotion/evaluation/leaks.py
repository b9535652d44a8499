"""Data leakage of a split: speakers, files and recordings in test and in training."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotion.data.segments import clip_names
from emotion.data.speakers import is_unknown, speaker_ids
from emotion.data.splits.base import OUT, TEST, TRAIN, VAL
from emotion.errors import LeakError
from emotion.utils.names import name_key

MAX_NAMED = 3
"""Number of speakers, files or recordings that a message names."""


@dataclass(frozen=True)
class Audit:
    """A sentence for each leak of a split, and remarks that are none, such as shared sentences.

    `not_checkable` is the number of clips whose speakers are unknown, so that leakage of speakers
    cannot be checked.
    """

    leaks: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    not_checkable: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        values = dataclasses.asdict(self)
        return values | {"leaks": list(self.leaks), "remarks": list(self.remarks)}


def audit_split(
    table: pd.DataFrame,
    *,
    allow_leak: bool,
    trained_on: pd.DataFrame | None = None,
    mixes_speakers: bool = False,
) -> Audit:
    """Return the leaks of a split.

    A leak is a speaker, a file or a recording (`audio_hash`) that is in test and also in train or
    val, or a test speaker that is also in `trained_on`. Validation may share speakers with train,
    never with test. Clips of unknown speakers leak only if the protocol mixes speakers; else they
    are counted as not checkable.

    Args:
        table: a row a clip: path, corpus, speaker, text, subset, and audio_hash and speakers_of if
            known.
        allow_leak: return leaks in place of an error.
        trained_on: clips that the initial weights were trained on: corpus, speaker.
        mixes_speakers: the protocol ignores who speaks.

    Raises:
        LeakError: there is a leak and `allow_leak` is not set.
    """
    found, remedy = list(_leaks(table)), "Correct the split"
    unknown = is_unknown(table["speaker"]) & (table["subset"] != OUT)
    if mixes_speakers and {TRAIN, TEST} <= set(table["subset"][unknown]):
        found.append("clips of unknown speakers in test and in train")
    if trained_on is not None and (earlier := list(_leaks_of_weights(table, trained_on))):
        found += earlier
        remedy += " or start from other weights"
    if found and not allow_leak:
        raise LeakError(
            f"this split leaks: {'; '.join(found)}. {remedy}, or set split.allow_leak=true "
            "to train in spite of it: all metrics are then marked LEAKS."
        )
    remarks = list(_remarks(table))
    if count := int(unknown.sum()):
        parts = table["subset"][unknown].value_counts()
        named = ", ".join(f"{n:,} {part}" for part, n in parts.items())
        remarks.append(f"leakage not checkable: {count:,} clips of unknown speakers ({named})")
    if trained_on is not None and (before := int(is_unknown(trained_on["speaker"]).sum())):
        count += before
        remarks.append(
            f"leakage not checkable: {before:,} clips of unknown speakers trained the weights"
        )
    return Audit(tuple(found), tuple(remarks), count)


def _leaks(table: pd.DataFrame) -> Iterator[str]:
    speakers = _speakers(table)
    kinds = {"speaker": speakers, "file": table["path"]}
    if "audio_hash" in table:
        kinds["recording"] = table["audio_hash"]
    test = table["subset"] == TEST
    for kind, names in kinds.items():
        for part in (TRAIN, VAL):
            shared = sorted((set(names[test]) & set(names[table["subset"] == part])) - {""})
            if kind == "recording":
                shared = [_both_paths(table, digest, part) for digest in shared]
            if shared:
                yield f"{_listed(kind, shared)} in test and in {part}"


def _leaks_of_weights(table: pd.DataFrame, trained_on: pd.DataFrame) -> Iterator[str]:
    tested, known = (
        {name_key(name): name for name in set(_speakers(clips)) - {""}}
        for clips in (table[table["subset"] == TEST], trained_on)
    )
    if shared := sorted(tested[key] for key in tested.keys() & known.keys()):
        named = _listed("speaker", shared)
        yield f"{named} in test and in the training clips of the initial weights"


def _speakers(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the corpus and name of each row's speaker; empty for an unknown one."""
    return speaker_ids(table).str.replace("/", " ", n=1)


def _listed(kind: str, names: Sequence[str]) -> str:
    """Return the first names and the number of further ones."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names[:MAX_NAMED])}{more}"


def _both_paths(table: pd.DataFrame, digest: str, part: str) -> str:
    """Return the two clips that contain one recording."""
    same = table[table["audio_hash"] == digest]
    test, other = (clip_names(same)[same["subset"] == each].iloc[0] for each in (TEST, part))
    return f"{test} = {other}"


def _remarks(table: pd.DataFrame) -> Iterator[str]:
    texts, known = table["corpus"] + "/" + table["text"], table["text"] != ""
    test, train = (set(texts[known & (table["subset"] == part)]) for part in (TEST, TRAIN))
    if shared := test & train:
        yield (
            f"{len(shared)} of the {len(test)} sentences or words of the test clips are also in "
            "train: the words are not new to the model, the speakers are"
        )
