"""Base class of all split protocols: assignment of clips to train, val and test."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from emotion.data.speakers import (
    UNKNOWN_ID,
    count_speakers,
    link_speakers,
    speaker_corpora,
    speaker_ids,
)
from emotion.data.splits.stratify import Column, cut_validation
from emotion.errors import ConfigError, SplitError, suggest
from emotion.utils.names import match_names

TRAIN, VAL, TEST, OUT = "train", "val", "test", ""
SUBSETS = (TRAIN, VAL, TEST)


@dataclass(frozen=True)
class Split:
    """A split: `subset` is train, val, test or empty for each row of a table.

    `notes` are sentences for logs and reports; `folds` is the number of folds of the protocol.
    """

    subset: Column
    notes: tuple[str, ...] = ()
    folds: int = 1


@dataclass(frozen=True, kw_only=True)
class SplitProtocol:
    """Base class of all split protocols.

    Args:
        seed: seed of every random choice.
        val_fraction: fraction of training speakers (or texts, or clips) for validation; 0: none.
        allow_leak: train despite data leakage; all metrics are then marked.
        train_only: corpora with all clips in train; the protocol applies to the others only.
    """

    description: ClassVar[str] = ""
    """The protocol in a sentence, for reports."""

    mixes_speakers: ClassVar[bool] = False
    """Whether the protocol ignores who speaks, so that test speakers are in training."""

    names_speakers: ClassVar[bool] = False
    """Whether the protocol names speakers; else those who share a file count as one speaker."""

    seed: int = 0
    val_fraction: float = 0.15
    allow_leak: bool = False
    train_only: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(
                f"split.val_fraction={self.val_fraction} must be at least 0 and less than 1."
            )
        test_fraction = getattr(self, "test_fraction", 0.5)
        if not 0 < test_fraction < 1:
            raise ConfigError(f"split.test_fraction={test_fraction} must be between 0 and 1.")
        for name, least in (("fold", 0), ("folds", 2)):
            value = getattr(self, name, least)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"split.{name}={value} must be an integer of at least {least}.")

    def assign(self, table: pd.DataFrame) -> Split:
        """Return the split of a table with columns path, corpus, speaker, sex, emotion, text.

        Raises:
            SplitError: the protocol does not fit these clips; the message names protocols that do.
        """
        if not self.names_speakers:
            table = link_speakers(table)
        if not self.train_only:
            return self.split(table)
        added = check_corpora("train_only", self.train_only, table)
        if set(added) == set(table["corpus"]):
            raise SplitError(f"split.train_only={added} leaves no corpus to validate on.")
        split = self.split(table[~table["corpus"].isin(added)])
        subset = split.subset.reindex(table.index, fill_value=TRAIN)
        note = f"all clips of {', '.join(added)} are in train; the split is of the other corpora"
        subset, notes = leave_out_test_speakers(table, subset)
        return Split(subset, (*split.notes, note, *notes), split.folds)

    def split(self, table: pd.DataFrame) -> Split:
        """Return the split of the corpora outside `train_only`; raises as `assign`."""
        raise NotImplementedError

    def with_test(
        self,
        table: pd.DataFrame,
        test: Column,
        *,
        notes: Iterable[str] = (),
        folds: int = 1,
        validate: Collection[str] | None = None,
    ) -> Split:
        """Return the split with the given test clips, and validation clips from other speakers.

        `validate` names the corpora with validation clips; None: all.
        """
        subset = pd.Series(np.where(test, TEST, TRAIN), index=table.index, dtype=object)
        notes = list(notes)
        rest = table[~test]
        if validate is not None:
            rest = rest[rest["corpus"].isin(list(validate))]
        for _, clips in rest.groupby(speaker_corpora(rest)) if self.val_fraction else ():
            validates, note = cut_validation(clips, self.val_fraction, seed=self.seed)
            subset[validates] = VAL
            notes += note
        subset, left_out = leave_out_test_speakers(table, subset)
        notes += left_out
        return checked_split(table, subset, notes, folds, validated=self.val_fraction > 0)

    def leave_out(self, table: pd.DataFrame, groups: Column, fold: int, needs: str) -> Split:
        """Return the split that tests on the group with index `fold` in the sorted groups.

        Raises:
            SplitError: fewer than two groups, which the split `needs`.
        """
        names = sorted(set(groups) - {UNKNOWN_ID})
        if len(names) < 2:
            raise SplitError(f"{needs}. {suggest_protocols(table)}")
        check_fold(fold, len(names))
        name = names[fold]
        return self.with_test(table, groups == name, notes=[f"tests on {name}"], folds=len(names))


def leave_out_test_speakers(table: pd.DataFrame, subset: Column) -> tuple[Column, list[str]]:
    """Return the subsets without training clips of test speakers in other corpora, and a note.

    Only corpora that share speakers by `speakers_of` have such clips.
    """
    if "speakers_of" not in table:
        return subset, []
    ids, test = speaker_ids(table), subset == TEST
    shared = ids.isin(set(ids[test]) - {UNKNOWN_ID}) & subset.isin([TRAIN, VAL])
    shared &= ~table["corpus"].isin(set(table["corpus"][test]))
    if not shared.any():
        return subset, []
    corpora = ", ".join(sorted(set(table["corpus"][shared])))
    note = f"{shared.sum():,} clips of test speakers in {corpora} are left out"
    return subset.mask(shared, OUT), [note]


def check_fold(fold: int, folds: int) -> None:
    """Raise ConfigError if a protocol has no fold of this index."""
    if not 0 <= fold < folds:
        raise ConfigError(f"split.fold={fold} is not valid: choose 0…{folds - 1}.")


def check_corpora(key: str, names: str | Sequence[str], table: pd.DataFrame) -> list[str]:
    """Return the corpora named by the setting split.`key`; SplitError if the table lacks one."""
    found = sorted(table["corpus"].unique())
    corpora = match_names([names] if isinstance(names, str) else map(str, names), found)
    for name in corpora:
        if name not in found:
            raise SplitError(
                f"split.{key} names {name!r}, which this dataset does not have."
                f"{suggest(name, found)}"
            )
    return corpora


def checked_split(
    table: pd.DataFrame, subset: Column, notes: Iterable[str], folds: int, *, validated: bool = True
) -> Split:
    """Return the split, with notes on missing test clips and corpora.

    Raises:
        SplitError: no clip to train on or, if `validated`, to validate on.
    """
    for part, verb in ((TRAIN, "train"), (VAL, "validate")):
        if not (subset == part).any() and (validated or part != VAL):
            raise SplitError(f"no clip is left to {verb} on. {suggest_protocols(table)}")
    notes = list(notes)
    if not (subset == TEST).any():
        notes.append("untested: this dataset has no test clip of this protocol")
    for part in (VAL, TEST):
        found = set(table["corpus"][subset == part])
        missing = sorted(set(table["corpus"]) - found)
        if found and missing:
            notes.append(f"{part} has no clip of {', '.join(missing)}")
    return Split(subset, tuple(notes), folds)


def suggest_protocols(table: pd.DataFrame) -> str:
    """Return a sentence that names the protocols that fit a table."""
    speakers, corpora = count_speakers(table), table["corpus"].nunique()
    fits = ["file"]
    if len(table) > 2:
        fits += ["random", "all"]
    if any(count_speakers(clips) > 1 for _, clips in table.groupby(speaker_corpora(table))):
        fits += ["speaker"]
    if speakers > 1:
        fits += ["loso", f"kfold split.folds={min(5, speakers)}"]
    if corpora > 1:
        fits += ["corpus", "leave_corpus_out"]
    return (
        f"These clips have {speakers} speakers in {corpora} corpora; "
        f"protocols that fit: split={', split='.join(fits)}."
    )
