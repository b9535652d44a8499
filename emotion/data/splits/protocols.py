"""Split protocols that `split=` chooses from: random, by speaker, corpus, text, or published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from emotion.data.segments import (
    START,
    TIME_COLUMNS,
    clip_key,
    clip_names,
    link_files,
    read_times,
)
from emotion.data.speakers import UNKNOWN_ID, count_speakers, speaker_corpora, speaker_ids
from emotion.data.splits import stratify
from emotion.data.splits.base import (
    OUT,
    SUBSETS,
    TEST,
    TRAIN,
    VAL,
    Split,
    SplitProtocol,
    check_corpora,
    check_fold,
    checked_split,
    leave_out_test_speakers,
    suggest_protocols,
)
from emotion.data.user_tables import read_user_table
from emotion.errors import SplitError, suggest
from emotion.utils.names import match_names, match_paths, name_key, path_key

SPLIT_COLUMNS = ("path", "subset", *TIME_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class SpeakerSplit(SplitProtocol):
    """Test on a fraction of the speakers of every corpus, balanced by sex."""

    description: ClassVar[str] = (
        "The test clips are of speakers who are not in training or validation, chosen "
        "in each corpus."
    )

    test_fraction: float = 0.2

    def split(self, table: pd.DataFrame) -> Split:
        test = pd.Series(False, index=table.index)
        for _, clips in table.groupby(speaker_corpora(table)):
            if count_speakers(clips) > 1:
                speakers = stratify.pick_speakers(clips, self.test_fraction, seed=self.seed)
                test[clips.index[clips["speaker"].isin(speakers)]] = True
        if not test.any():
            raise SplitError(
                f"split=speaker needs two speakers in a corpus. {suggest_protocols(table)}"
            )
        return self.with_test(table, test)


@dataclass(frozen=True, kw_only=True)
class RandomSplit(SplitProtocol):
    """Test on randomly drawn clips; speakers are in training and test, so the split leaks."""

    description: ClassVar[str] = (
        "Test clips are drawn at random, so speakers of the test are also in training: "
        "data leakage."
    )
    mixes_speakers: ClassVar[bool] = True

    test_fraction: float = 0.1

    def split(self, table: pd.DataFrame) -> Split:
        files = table["path"].unique()
        # The segments of a file stay together, if there are enough files.
        names = table["path"] if len(files) > 2 else clip_names(table)
        unit, found = pd.factorize(names)
        count = len(found)
        order = np.random.default_rng(self.seed).permutation(count)
        n_test = max(1, round(self.test_fraction * count))
        n_val = round(self.val_fraction * (count - n_test))
        n_val = max(1, n_val) if self.val_fraction else 0
        if n_test + n_val >= count:
            raise SplitError(f"split=random: {count} clips are too few. {suggest_protocols(table)}")
        drawn = np.full(count, TRAIN, dtype=object)
        drawn[order[:n_test]] = TEST
        drawn[order[n_test : n_test + n_val]] = VAL
        return Split(pd.Series(drawn[unit], index=table.index, dtype=object))


@dataclass(frozen=True, kw_only=True)
class AllSplit(SplitProtocol):
    """Train and validate on all speakers, for a final model without a test."""

    description: ClassVar[str] = "All clips train or validate; none is for testing."

    def split(self, table: pd.DataFrame) -> Split:
        return self.with_test(table, pd.Series(False, index=table.index))


@dataclass(frozen=True, kw_only=True)
class _Folds(SplitProtocol):
    """Base class of splits into folds of groups, stratified by corpus and emotion."""

    fold: int = 0
    folds: int = 5

    def fold_rows(self, table: pd.DataFrame, groups: stratify.Column, unit: str) -> stratify.Column:
        """Return the rows of fold number `fold`; each group is in one fold."""
        check_fold(self.fold, self.folds)
        number = len(set(groups) - {UNKNOWN_ID})
        if number < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {number} {unit} here. "
                f"{suggest_protocols(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        known = groups != UNKNOWN_ID
        part = stratify.stratified_parts(
            strata[known], groups[known], self.folds, seed=self.seed
        ).reindex(table.index, fill_value=-1)
        return part == self.fold


@dataclass(frozen=True, kw_only=True)
class KFold(_Folds):
    """Test on one fold of the speakers."""

    description: ClassVar[str] = (
        "Speakers are divided into folds, stratified by corpus and emotion; one fold is the test."
    )

    def split(self, table: pd.DataFrame) -> Split:
        test = self.fold_rows(table, speaker_ids(table), "speakers")
        return self.with_test(table, test, folds=self.folds)


@dataclass(frozen=True, kw_only=True)
class TextSplit(_Folds):
    """Test on one fold of the sentences or words; speakers are in training and test."""

    description = "The sentences or words of the test are not in training; its speakers are."
    mixes_speakers: ClassVar[bool] = True

    def split(self, table: pd.DataFrame) -> Split:
        texts = stratify.text_ids(table)
        linked = link_files(table, texts)  # the segments of a file stay together, if that works
        texts = linked if linked.nunique() >= self.folds else texts
        test = self.fold_rows(table, texts, "texts")
        subset = pd.Series(np.where(test, TEST, TRAIN), index=table.index, dtype=object)
        if self.val_fraction:
            subset[stratify.cut_by_text(table[~test], self.val_fraction, seed=self.seed)] = VAL
        return checked_split(table, subset, (), self.folds, validated=self.val_fraction > 0)


@dataclass(frozen=True, kw_only=True)
class LeaveOneSpeakerOut(SplitProtocol):
    """Test on the speaker with index `fold` in the sorted speakers."""

    description: ClassVar[str] = "One speaker is the test; the others train and validate."

    fold: int = 0

    def split(self, table: pd.DataFrame) -> Split:
        return self.leave_out(table, speaker_ids(table), self.fold, "split=loso needs two speakers")


@dataclass(frozen=True, kw_only=True)
class LeaveOneCorpusOut(SplitProtocol):
    """Test on the corpus with index `fold` in the sorted corpora."""

    description: ClassVar[str] = "One corpus is the test; the others train and validate."

    fold: int = 0

    def split(self, table: pd.DataFrame) -> Split:
        needs = "split=leave_corpus_out needs two corpora"
        return self.leave_out(table, table["corpus"], self.fold, needs)


@dataclass(frozen=True, kw_only=True)
class CorpusSplit(SplitProtocol):
    """Train on some corpora and test on others."""

    description: ClassVar[str] = "Some corpora train and validate; others are the test."

    train: str | Sequence[str] = ()
    test: str | Sequence[str] = ()

    def split(self, table: pd.DataFrame) -> Split:
        train = check_corpora("train", self.train, table)
        test = check_corpora("test", self.test, table)
        for key, names in (("train", train), ("test", test)):
            if not names:
                found = sorted(table["corpus"].unique())
                raise SplitError(f"split.{key}=[…] is empty.{suggest('', found)}")
        both = sorted(set(train) & set(test))
        if both:
            raise SplitError(f"{', '.join(both)} is in both split.train and split.test.")
        used = table[table["corpus"].isin([*train, *test])]
        split = self.with_test(used, used["corpus"].isin(test))
        return Split(split.subset.reindex(table.index, fill_value=OUT), split.notes)


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(SplitProtocol):
    """Test on the speakers of a published protocol; other corpora are wholly in train.

    Args:
        test: test speakers of each fold, by corpus.
        val: validation speakers by corpus, if published.
        fold: index of the fold.
    """

    names_speakers: ClassVar[bool] = True
    description: ClassVar[str] = (
        "The test speakers are those of a publication; corpora that it does not cover train."
    )

    test: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    val: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fold: int = 0

    def split(self, table: pd.DataFrame) -> Split:
        covered = [corpus for corpus in self.test if (table["corpus"] == corpus).any()]
        if not covered:
            raise SplitError(
                f"this protocol is for {', '.join(self.test)}; this dataset has "
                f"{', '.join(table['corpus'].unique())}. {suggest_protocols(table)}"
            )
        folds = max(len(self.test[corpus]) for corpus in covered)
        check_fold(self.fold, folds)
        test, val = (pd.Series(False, index=table.index) for _ in range(2))
        notes = []
        for corpus in covered:
            if self.fold >= len(self.test[corpus]):
                notes.append(f"{corpus} has only {len(self.test[corpus])} folds and trains here")
                continue
            in_corpus = table["corpus"] == corpus
            known = table["speaker"][in_corpus].unique()
            speakers = match_names(map(str, self.test[corpus][self.fold]), known)
            test |= in_corpus & table["speaker"].isin(speakers)
            validates = match_names(map(str, self.val.get(corpus, ())), known)
            val |= in_corpus & table["speaker"].isin(validates)
            missing = sorted(set(speakers) - set(table["speaker"][in_corpus]))
            if missing:
                notes.append(f"missing test speakers: {corpus} {', '.join(missing)}")
        if not val.any() or not self.val_fraction:
            return self.with_test(table, test, notes=notes, folds=folds, validate=covered)
        subsets = np.select([test, val], [TEST, VAL], TRAIN)
        subset = pd.Series(subsets, index=table.index, dtype=object)
        subset, left_out = leave_out_test_speakers(table, subset)
        return checked_split(table, subset, [*notes, *left_out], folds)


@dataclass(frozen=True, kw_only=True)
class FileSplit(SplitProtocol):
    """Read the subset of each path from a split.csv; an empty subset leaves a clip out.

    In a dataset with segments, the columns start and end name a segment; without them, a line holds
    for all segments of its file. With `val_fraction` 0, the file needs no validation clips.
    """

    description: ClassVar[str] = "The subset of each clip is read from a file."

    path: str | None = None

    def split(self, table: pd.DataFrame) -> Split:
        lines = self._read(segments=START in table)
        lines = lines.assign(path=match_paths(lines["path"], table["path"]))
        subset_of = dict(zip(clip_names(lines), lines["subset"], strict=True))
        names = clip_names(table) if START in lines else table["path"]
        subset = names.map(subset_of)
        unknown = sorted(name for name in set(subset_of) - set(names) if subset_of[name])
        unlisted = list(names[subset.isna()])
        remarks = (
            (unknown, f"files in {self.path} are not clips of this dataset"),
            (unlisted, f"clips are not in {self.path} and are left out"),
        )
        notes = [f"{len(paths)} {text}, such as {paths[0]}" for paths, text in remarks if paths]
        subset = subset.fillna(OUT)
        for name in (TRAIN, VAL) if self.val_fraction else (TRAIN,):
            if not (subset == name).any():
                help_text = f"Write {name} beside some of its paths."
                if unknown:
                    own = names.iloc[0]
                    help_text = f"Its paths are like {unknown[0]}, those of the dataset like {own}."
                raise SplitError(
                    f"{self.path} has no clip of this dataset with the subset {name}. {help_text}"
                )
        if not (subset == TEST).any():
            notes.append("untested: the split file has no test clip")
        return Split(subset, tuple(notes))

    def _read(self, *, segments: bool) -> pd.DataFrame:
        """Return the subsets of the file, each known and without contradictions."""
        if not self.path or not Path(self.path).is_file():
            raise SplitError(f"split file {self.path!r} does not exist. Set split.path=FILE.csv.")
        lines = read_user_table(Path(self.path), SplitError, columns=SPLIT_COLUMNS)
        if not {"path", "subset"} <= set(lines):
            raise SplitError(f"{self.path} needs the columns path and subset.")
        lines["subset"] = lines["subset"].map(name_key)
        if segments:
            lines = read_times(lines, SplitError, self.path)
        lines = lines[[*(clip_key(lines) if segments else ["path"]), "subset"]]
        wrong = lines[~lines["subset"].isin([*SUBSETS, OUT])]
        if len(wrong):
            raise SplitError(
                f"{self.path} has the subset {wrong['subset'].iloc[0]!r} for "
                f"{wrong['path'].iloc[0]}; a subset is train, val, test or empty."
            )
        names = clip_names(lines)
        keys = names.map(path_key)
        contradictory = names[lines.groupby(keys)["subset"].transform("nunique") > 1]
        if len(contradictory):
            raise SplitError(f"{self.path} has two subsets for {contradictory.iloc[0]}.")
        return lines
