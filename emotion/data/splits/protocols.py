"""The protocols that `split=` picks among: by chance, speaker, corpus, text, or as published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from emotion.data.splits.base import (
    OUT,
    SUBSETS,
    TEST,
    TRAIN,
    VAL,
    Split,
    SplitProtocol,
    check_fold,
    checked_split,
    what_fits,
)
from emotion.data.splits.stratify import (
    cut_by_text,
    pick_speakers,
    speakers_of,
    stratified_parts,
    texts_of,
)
from emotion.errors import SplitError, near
from emotion.utils.tables import read_table


@dataclass(frozen=True, kw_only=True)
class SpeakerSplit(SplitProtocol):
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
            raise SplitError(f"split=speaker needs two speakers in a corpus. {what_fits(table)}")
        return self.with_test(table, test, [], 1)


@dataclass(frozen=True, kw_only=True)
class RandomSplit(SplitProtocol):
    """Draws clips, not speakers: 90/10, and validation from the 90. Leaks, and is marked so."""

    test_fraction: float = 0.1

    def divide(self, table: pd.DataFrame) -> Split:
        order = np.random.default_rng(self.seed).permutation(len(table))
        tests = max(1, round(self.test_fraction * len(table)))
        validates = round(self.val_fraction * (len(table) - tests))
        validates = max(1, validates) if self.val_fraction else 0
        if tests + validates >= len(table):
            raise SplitError(f"split=random: {len(table)} clips are too few. {what_fits(table)}")
        subset = pd.Series(TRAIN, index=table.index, dtype=object)
        subset.iloc[order[:tests]] = TEST
        subset.iloc[order[tests : tests + validates]] = VAL
        return Split(subset)


@dataclass(frozen=True, kw_only=True)
class AllSplit(SplitProtocol):
    """Trains on every speaker: a last model, which nothing here can test."""

    def divide(self, table: pd.DataFrame) -> Split:
        return self.with_test(table, pd.Series(False, index=table.index), [], 1)


@dataclass(frozen=True, kw_only=True)
class KFold(SplitProtocol):
    """Cuts the speakers into folds, stratified by corpus and emotion; one fold tests."""

    fold: int = 0
    folds: int = 5

    def divide(self, table: pd.DataFrame) -> Split:
        check_fold(self.fold, self.folds)
        groups = speakers_of(table)
        if groups.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {groups.nunique()} speakers here. "
                f"{what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = stratified_parts(strata, groups, self.folds, seed=self.seed)
        return self.with_test(table, parts == self.fold, [], self.folds)


@dataclass(frozen=True, kw_only=True)
class LeaveOneSpeakerOut(SplitProtocol):
    """Tests on one speaker, the one at place `fold` of the sorted speakers."""

    fold: int = 0

    def divide(self, table: pd.DataFrame) -> Split:
        groups = speakers_of(table)
        speakers = sorted(groups.unique())
        if len(speakers) < 2:
            raise SplitError(f"split=loso needs two speakers. {what_fits(table)}")
        check_fold(self.fold, len(speakers))
        chosen = speakers[self.fold]
        return self.with_test(table, groups == chosen, [f"tests on {chosen}"], len(speakers))


@dataclass(frozen=True, kw_only=True)
class CorpusSplit(SplitProtocol):
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
        split = self.with_test(used, used["corpus"].isin(list(test)), [], 1)
        return Split(split.subset.reindex(table.index, fill_value=OUT), split.notes)


@dataclass(frozen=True, kw_only=True)
class LeaveOneCorpusOut(SplitProtocol):
    """Tests on one corpus, the one at place `fold` of the sorted corpora, trains on the others."""

    fold: int = 0

    def divide(self, table: pd.DataFrame) -> Split:
        corpora = sorted(table["corpus"].unique())
        if len(corpora) < 2:
            raise SplitError(f"split=leave_corpus_out needs two corpora. {what_fits(table)}")
        check_fold(self.fold, len(corpora))
        chosen = corpora[self.fold]
        return self.with_test(
            table, table["corpus"] == chosen, [f"tests on {chosen}"], len(corpora)
        )


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(SplitProtocol):
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
                f"{', '.join(table['corpus'].unique())}. {what_fits(table)}"
            )
        folds = max(len(self.test[corpus]) for corpus in bound)
        check_fold(self.fold, folds)
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
        if not val.any() or not self.val_fraction:
            return self.with_test(table, test, notes, folds, validate=bound)
        subset = np.select([test, val], [TEST, VAL], TRAIN)
        return checked_split(
            table, pd.Series(subset, index=table.index, dtype=object), notes, folds
        )


@dataclass(frozen=True, kw_only=True)
class TextSplit(SplitProtocol):
    """Tests on sentences or words that training never heard; speakers stand on both sides."""

    fold: int = 0
    folds: int = 5

    def divide(self, table: pd.DataFrame) -> Split:
        check_fold(self.fold, self.folds)
        texts = texts_of(table)
        if texts.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {texts.nunique()} texts here. "
                f"{what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = stratified_parts(strata, texts, self.folds, seed=self.seed)
        subset = pd.Series(
            np.where(parts == self.fold, TEST, TRAIN), index=table.index, dtype=object
        )
        rest = table[subset == TRAIN]
        if self.val_fraction:
            subset[cut_by_text(rest, self.val_fraction, seed=self.seed)] = VAL
        return checked_split(table, subset, (), self.folds, validated=self.val_fraction > 0)


@dataclass(frozen=True, kw_only=True)
class FileSplit(SplitProtocol):
    """Takes any split.csv: path and subset count, an empty subset leaves a clip out.

    Where `val_fraction` is 0, it need not name validation clips.
    """

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
        for part in (TRAIN, VAL) if self.val_fraction else (TRAIN,):
            if not (subset == part).any():
                why = f"Write {part} beside some of its paths."
                if unknown:
                    here = table["path"].iloc[0]
                    why = f"Its paths look like {unknown[0]}, those here like {here}."
                raise SplitError(f"{self.path} leaves no clip of this dataset in {part}. {why}")
        if not (subset == TEST).any():
            notes.append("untested: the split file names no test clip")
        return Split(subset, tuple(notes))
