"""What a protocol is: it divides clips into train, val and test, and says what is lacking."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotion.data.splits.stratify import Labels, cut_validation, speakers_of
from emotion.errors import ConfigError, SplitError, near

TRAIN, VAL, TEST, OUT = "train", "val", "test", ""
SUBSETS = (TRAIN, VAL, TEST)


@dataclass(frozen=True)
class Split:
    """A division: `subset` is train, val, test or empty for each row of the table it was made of.

    `notes` say what a reader must know; `folds` is how many divisions the protocol has.
    """

    subset: Labels
    notes: tuple[str, ...] = ()
    folds: int = 1


@dataclass(frozen=True, kw_only=True)
class SplitProtocol:
    """What all protocols share.

    Args:
        seed: of every random choice.
        val_fraction: of the training speakers (or texts, or clips) that validate; 0: all train.
        allow_leak: train although the audit finds a leak; all figures are then marked.
        train_only: corpora all of whose clips train; the protocol divides the others, as if these
            were not there.
    """

    seed: int = 0
    val_fraction: float = 0.15
    allow_leak: bool = False
    train_only: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(
                f"split.val_fraction={self.val_fraction} must be at least 0, under 1."
            )
        share = getattr(self, "test_fraction", 0.5)
        if not 0 < share < 1:
            raise ConfigError(f"split.test_fraction={share} must lie between 0 and 1.")
        for name, least in (("fold", 0), ("folds", 2)):
            value = getattr(self, name, least)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"split.{name}={value} must be a whole number from {least} on.")

    def assign(self, table: pd.DataFrame) -> Split:
        """Return the division of a table with columns path, corpus, speaker, sex, emotion, text.

        Raises:
            SplitError: the protocol does not fit these clips; says which do.
        """
        if not self.train_only:
            return self.divide(table)
        added = [self.train_only] if isinstance(self.train_only, str) else list(self.train_only)
        here = sorted(table["corpus"].unique())
        for name in added:
            if name not in here:
                raise SplitError(
                    f"split.train_only names {name!r}, which is not here.{near(name, here)}"
                )
        if set(added) == set(here):
            raise SplitError(f"split.train_only={added} leaves no corpus to validate on.")
        split = self.divide(table[~table["corpus"].isin(added)])
        subset = split.subset.reindex(table.index, fill_value=TRAIN)
        note = f"of {', '.join(added)} all clips train; the protocol divides the others"
        return Split(subset, (*split.notes, note), split.folds)

    def divide(self, table: pd.DataFrame) -> Split:
        """Return the division of the clips that the protocol is about; raises as `assign`."""
        raise NotImplementedError

    def with_test(
        self,
        table: pd.DataFrame,
        test: Labels,
        notes: Iterable[str],
        folds: int,
        *,
        validate: Collection[str] | None = None,
    ) -> Split:
        """Return the split whose test clips are given, validation cut from the other speakers.

        `validate` names the corpora that validation is cut from; None: all.
        """
        subset = pd.Series(np.where(test, TEST, TRAIN), index=table.index, dtype=object)
        notes = list(notes)
        for corpus, clips in table[~test].groupby("corpus"):
            if self.val_fraction and (validate is None or corpus in validate):
                validates, note = cut_validation(clips, self.val_fraction, seed=self.seed)
                subset[validates] = VAL
                notes += note
        return checked_split(table, subset, notes, folds, validated=self.val_fraction > 0)


def check_fold(fold: int, folds: int) -> None:
    """Refuse a fold that a protocol of so many does not have.

    Raises:
        ConfigError: with those that it has.
    """
    if not 0 <= fold < folds:
        raise ConfigError(f"split.fold={fold} is not 0…{folds - 1}.")


def _lacking(table: pd.DataFrame, subset: Labels) -> list[str]:
    """Return which corpora a subset lacks."""
    notes = []
    for part in (VAL, TEST):
        there = set(table["corpus"][subset == part])
        missing = sorted(set(table["corpus"]) - there)
        if there and missing:
            notes.append(f"{part} has no clip of {', '.join(missing)}")
    return notes


def checked_split(
    table: pd.DataFrame,
    subset: Labels,
    notes: Iterable[str],
    folds: int,
    *,
    validated: bool = True,
) -> Split:
    """Return the split, with notes on what it lacks.

    Raises:
        SplitError: nothing to train on or, where it should be `validated`, to validate on.
    """
    for part, verb in ((TRAIN, "train"), (VAL, "validate")):
        if not (subset == part).any() and (validated or part != VAL):
            raise SplitError(f"no clip is left to {verb} on. {what_fits(table)}")
    untested = [] if (subset == TEST).any() else ["untested: no test clip of this protocol is here"]
    return Split(subset, (*notes, *untested, *_lacking(table, subset)), folds)


def what_fits(table: pd.DataFrame) -> str:
    """Return the way out: the protocols that fit a table."""
    speakers, corpora = speakers_of(table).nunique(), table["corpus"].nunique()
    fits = ["file"]
    if len(table) > 2:
        fits += ["random", "all"]
    if (table.groupby("corpus")["speaker"].nunique() > 1).any():
        fits += ["speaker"]
    if speakers > 1:
        fits += ["loso", f"kfold split.folds={min(5, speakers)}"]
    if corpora > 1:
        fits += ["corpus", "leave_corpus_out"]
    return (
        f"These clips have {speakers} speakers in {corpora} corpora; "
        f"what fits is split={', split='.join(fits)}."
    )
