"""Protocols: which clips train, validate and test. Each takes a table and names a subset a clip."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from emotion.corpora.cuts import (
    Labels,
    cut_by_text,
    cut_validation,
    pick_speakers,
    speakers_of,
    stratified_parts,
    texts_of,
)
from emotion.errors import ConfigError, SplitError, near
from emotion.tables import read_table

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
class Protocol:
    """What all protocols share.

    Args:
        seed: of every random choice.
        val_fraction: of the training speakers (or texts, or clips) that validate.
        allow_leak: train although the audit finds a leak; all figures are then marked.
        train_only: corpora all of whose clips train; the protocol divides the others, as if these
            were not there.
    """

    seed: int = 0
    val_fraction: float = 0.15
    allow_leak: bool = False
    train_only: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name, 0.5)
            if not 0 < value < 1:
                raise ConfigError(f"split.{name}={value} must lie between 0 and 1.")
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

    def _with_test(
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
            if validate is None or corpus in validate:
                validates, note = cut_validation(clips, self.val_fraction, seed=self.seed)
                subset[validates] = VAL
                notes += note
        return _checked(table, subset, notes, folds)


@dataclass(frozen=True, kw_only=True)
class SpeakerSplit(Protocol):
    """Holds out a share of every corpus' speakers, as even in sex as they are."""

    test_fraction: float = 0.2

    def divide(self, table: pd.DataFrame) -> Split:
        test = pd.Series(False, index=table.index)
        for _, clips in table.groupby("corpus"):
            if clips["speaker"].nunique() > 1:
                test |= (
                    clips["speaker"]
                    .isin(pick_speakers(clips, self.test_fraction, seed=self.seed))
                    .reindex(table.index, fill_value=False)
                )
        if not test.any():
            raise SplitError(f"split=speaker needs two speakers in a corpus. {_what_fits(table)}")
        return self._with_test(table, test, [], 1)


@dataclass(frozen=True, kw_only=True)
class RandomSplit(Protocol):
    """Draws clips, not speakers: 90/10, and validation from the 90. Leaks, and is marked so."""

    test_fraction: float = 0.1

    def divide(self, table: pd.DataFrame) -> Split:
        order = np.random.default_rng(self.seed).permutation(len(table))
        tests = max(1, round(self.test_fraction * len(table)))
        validates = max(1, round(self.val_fraction * (len(table) - tests)))
        if tests + validates >= len(table):
            raise SplitError(f"split=random: {len(table)} clips are too few. {_what_fits(table)}")
        subset = pd.Series(TRAIN, index=table.index, dtype=object)
        subset.iloc[order[:tests]] = TEST
        subset.iloc[order[tests : tests + validates]] = VAL
        return Split(subset)


@dataclass(frozen=True, kw_only=True)
class AllSplit(Protocol):
    """Trains on every speaker: a last model, which nothing here can test."""

    def divide(self, table: pd.DataFrame) -> Split:
        return self._with_test(table, pd.Series(False, index=table.index), [], 1)


@dataclass(frozen=True, kw_only=True)
class KFold(Protocol):
    """Cuts the speakers into folds, stratified by corpus and emotion; one fold tests."""

    fold: int = 0
    folds: int = 5

    def divide(self, table: pd.DataFrame) -> Split:
        _check_fold(self.fold, self.folds)
        groups = speakers_of(table)
        if groups.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {groups.nunique()} speakers here. "
                f"{_what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = stratified_parts(strata, groups, self.folds, seed=self.seed)
        return self._with_test(table, parts == self.fold, [], self.folds)


@dataclass(frozen=True, kw_only=True)
class LeaveOneSpeakerOut(Protocol):
    """Tests on one speaker, the one at place `fold` of the sorted speakers."""

    fold: int = 0

    def divide(self, table: pd.DataFrame) -> Split:
        groups = speakers_of(table)
        speakers = sorted(groups.unique())
        if len(speakers) < 2:
            raise SplitError(f"split=loso needs two speakers. {_what_fits(table)}")
        _check_fold(self.fold, len(speakers))
        chosen = speakers[self.fold]
        return self._with_test(table, groups == chosen, [f"tests on {chosen}"], len(speakers))


@dataclass(frozen=True, kw_only=True)
class CorpusSplit(Protocol):
    """Trains on some corpora and tests on others."""

    train: Sequence[str] = ()
    test: Sequence[str] = ()

    def divide(self, table: pd.DataFrame) -> Split:
        here = sorted(table["corpus"].unique())
        train, test = (
            [names] if isinstance(names, str) else names for names in (self.train, self.test)
        )
        for key, names in (("train", train), ("test", test)):
            for name in names:
                if name not in here:
                    raise SplitError(
                        f"split.{key} names {name!r}, which is not here.{near(name, here)}"
                    )
            if not names:
                raise SplitError(f"split.{key}=[…] is empty.{near('', here)}")
        both = sorted(set(train) & set(test))
        if both:
            raise SplitError(f"{', '.join(both)} stands in split.train and in split.test.")
        used = table[table["corpus"].isin([*train, *test])]
        split = self._with_test(used, used["corpus"].isin(list(test)), [], 1)
        return Split(split.subset.reindex(table.index, fill_value=OUT), split.notes)


@dataclass(frozen=True, kw_only=True)
class LeaveOneCorpusOut(Protocol):
    """Tests on one corpus, the one at place `fold` of the sorted corpora, trains on the others."""

    fold: int = 0

    def divide(self, table: pd.DataFrame) -> Split:
        corpora = sorted(table["corpus"].unique())
        if len(corpora) < 2:
            raise SplitError(f"split=leave_corpus_out needs two corpora. {_what_fits(table)}")
        _check_fold(self.fold, len(corpora))
        chosen = corpora[self.fold]
        return self._with_test(
            table, table["corpus"] == chosen, [f"tests on {chosen}"], len(corpora)
        )


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(Protocol):
    """Tests on the speakers that a publication names; other corpora wholly train.

    Args:
        test: by corpus, the test speakers of each fold.
        val: by corpus, the validation speakers, where the publication names some.
        fold: which fold tests.
    """

    test: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    val: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fold: int = 0

    def divide(self, table: pd.DataFrame) -> Split:
        bound = [corpus for corpus in self.test if (table["corpus"] == corpus).any()]
        if not bound:
            raise SplitError(
                f"this protocol is for {', '.join(self.test)}; here is "
                f"{', '.join(table['corpus'].unique())}. {_what_fits(table)}"
            )
        folds = max(len(self.test[corpus]) for corpus in bound)
        _check_fold(self.fold, folds)
        test, val = (pd.Series(False, index=table.index) for _ in range(2))
        notes = []
        for corpus in bound:
            here = table["corpus"] == corpus
            if self.fold >= len(self.test[corpus]):
                notes.append(f"{corpus} has only {len(self.test[corpus])} folds and trains here")
                continue
            named = self.test[corpus][self.fold]
            test |= here & table["speaker"].isin(list(named))
            val |= here & table["speaker"].isin(list(self.val.get(corpus, ())))
            missing = sorted(set(named) - set(table["speaker"][here]))
            if missing:
                notes.append(f"test speakers that are not here: {corpus} {', '.join(missing)}")
        if not val.any():
            return self._with_test(table, test, notes, folds, validate=bound)
        subset = np.select([test, val], [TEST, VAL], TRAIN)
        return _checked(table, pd.Series(subset, index=table.index, dtype=object), notes, folds)


@dataclass(frozen=True, kw_only=True)
class TextSplit(Protocol):
    """Tests on sentences or words that training never heard; speakers stand on both sides."""

    fold: int = 0
    folds: int = 5

    def divide(self, table: pd.DataFrame) -> Split:
        _check_fold(self.fold, self.folds)
        texts = texts_of(table)
        if texts.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {texts.nunique()} texts here. "
                f"{_what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = stratified_parts(strata, texts, self.folds, seed=self.seed)
        subset = pd.Series(
            np.where(parts == self.fold, TEST, TRAIN), index=table.index, dtype=object
        )
        rest = table[subset == TRAIN]
        subset[cut_by_text(rest, self.val_fraction, seed=self.seed)] = VAL
        return _checked(table, subset, (), self.folds)


@dataclass(frozen=True, kw_only=True)
class FileSplit(Protocol):
    """Takes any split.csv: path and subset count, an empty subset leaves a clip out."""

    path: str | None = None

    def divide(self, table: pd.DataFrame) -> Split:
        if not self.path or not Path(self.path).is_file():
            raise SplitError(f"there is no split file {self.path!r}. Set split.path=FILE.csv.")
        try:
            lines = read_table(Path(self.path))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as err:
            raise SplitError(f"{self.path} is not a CSV table ({err}).") from err
        if not {"path", "subset"} <= set(lines):
            raise SplitError(f"{self.path} has no columns path and subset.")
        wrong = lines[~lines["subset"].isin([*SUBSETS, OUT])]
        if len(wrong):
            raise SplitError(
                f"{self.path} puts {wrong['path'].iloc[0]} into {wrong['subset'].iloc[0]!r}; "
                "a subset is train, val, test or empty."
            )
        twice = lines[lines.groupby("path")["subset"].transform("nunique") > 1]
        if len(twice):
            raise SplitError(f"{self.path} puts {twice['path'].iloc[0]} into two subsets.")
        chosen = dict(zip(lines["path"], lines["subset"], strict=True))
        subset = table["path"].map(chosen)
        unknown = sorted(path for path in set(chosen) - set(table["path"]) if chosen[path])
        unnamed = table["path"][subset.isna()]
        notes = [
            f"{len(paths)} {what}, such as {paths[0]}"
            for paths, what in (
                (unknown, f"files in {self.path} are no clips of this dataset"),
                (list(unnamed), f"clips are not in {self.path} and are left out"),
            )
            if len(paths)
        ]
        subset = subset.fillna(OUT)
        for part in (TRAIN, VAL):
            if not (subset == part).any():
                why = f"Write {part} beside some of its paths."
                if unknown:
                    here = table["path"].iloc[0]
                    why = f"Its paths look like {unknown[0]}, those here like {here}."
                raise SplitError(f"{self.path} leaves no clip of this dataset in {part}. {why}")
        if not (subset == TEST).any():
            notes.append("untested: the split file names no test clip")
        return Split(subset, tuple(notes))


def _check_fold(fold: int, folds: int) -> None:
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


def _checked(table: pd.DataFrame, subset: Labels, notes: Iterable[str], folds: int) -> Split:
    """Return the split, with notes on what it lacks.

    Raises:
        SplitError: nothing to train or to validate on.
    """
    for part, verb in ((TRAIN, "train"), (VAL, "validate")):
        if not (subset == part).any():
            raise SplitError(f"no clip is left to {verb} on. {_what_fits(table)}")
    untested = [] if (subset == TEST).any() else ["untested: no test clip of this protocol is here"]
    return Split(subset, (*notes, *untested, *_lacking(table, subset)), folds)


def _what_fits(table: pd.DataFrame) -> str:
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
