"""Protocols: which clips train, validate and test. Each takes a table and names a subset a clip."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from emotion.errors import ConfigError, SplitError, near
from emotion.files import read_table

TRAIN, VAL, TEST, OUT = "train", "val", "test", ""
SUBSETS = (TRAIN, VAL, TEST)
ENOUGH_SPEAKERS = 4
"""From this many training speakers on, validation has speakers of its own."""

Labels = pd.Series  # of subset names, aligned with a table's rows


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
    """

    seed: int = 0
    val_fraction: float = 0.15
    allow_leak: bool = False

    def __post_init__(self) -> None:
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name, 0.5)
            if not 0 < value < 1:
                raise ConfigError(f"split.{name}={value} must lie between 0 and 1.")

    def assign(self, table: pd.DataFrame) -> Split:
        """Return the division of a table with columns path, corpus, speaker, sex, emotion, text.

        Raises:
            SplitError: the protocol does not fit these clips; says which do.
        """
        raise NotImplementedError

    def _with_test(self, table: pd.DataFrame, test: Labels, notes: Iterable[str], folds: int) -> Split:
        """Return the split whose test clips are given, validation cut from the other speakers."""
        subset = pd.Series(np.where(test, TEST, TRAIN), index=table.index, dtype=object)
        notes = list(notes)
        if not test.any():
            notes.append("untested: no test clip of this protocol is here")
        if test.all():
            raise SplitError(f"no clip is left to train on. {_what_fits(table)}")
        for _, clips in table[~test].groupby("corpus"):
            validates, note = cut_validation(clips, self.val_fraction, seed=self.seed)
            subset[validates] = VAL
            notes += note
        if not (subset == VAL).any():
            raise SplitError(f"no clip is left to validate on. {_what_fits(table)}")
        return Split(subset, (*notes, *_lacking(table, subset)), folds)


@dataclass(frozen=True, kw_only=True)
class SpeakerSplit(Protocol):
    """Holds out a share of every corpus' speakers, as even in sex as they are."""

    test_fraction: float = 0.2

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        test = pd.Series(False, index=table.index)
        for _, clips in table.groupby("corpus"):
            if clips["speaker"].nunique() > 1:
                test |= clips["speaker"].isin(
                    pick_speakers(clips, self.test_fraction, seed=self.seed)
                ).reindex(table.index, fill_value=False)
        if not test.any():
            raise SplitError(
                f"split=speaker needs two speakers in a corpus. {_what_fits(table)}"
            )
        return self._with_test(table, test, [], 1)


@dataclass(frozen=True, kw_only=True)
class RandomSplit(Protocol):
    """Draws clips, not speakers: 90/10, and validation from the 90. Leaks, and is marked so."""

    test_fraction: float = 0.1

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        order = np.random.default_rng(self.seed).permutation(len(table))
        tests = max(1, round(self.test_fraction * len(table)))
        validates = max(1, round(self.val_fraction * (len(table) - tests)))
        if tests + validates >= len(table):
            raise SplitError(f"{len(table)} clips are too few for split=random.")
        subset = pd.Series(TRAIN, index=table.index, dtype=object)
        subset.iloc[order[:tests]] = TEST
        subset.iloc[order[tests : tests + validates]] = VAL
        return Split(subset)


@dataclass(frozen=True, kw_only=True)
class AllSplit(Protocol):
    """Trains on every speaker: a last model, which nothing here can test."""

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        return self._with_test(table, pd.Series(False, index=table.index), [], 1)


@dataclass(frozen=True, kw_only=True)
class KFold(Protocol):
    """Cuts the speakers into folds, stratified by corpus and emotion; one fold tests."""

    fold: int = 0
    folds: int = 5

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        _check_fold(self.fold, self.folds)
        groups = _groups(table)
        if groups.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {groups.nunique()} speakers here. "
                f"{_what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = _stratified_parts(strata, groups, self.folds, seed=self.seed)
        return self._with_test(table, parts == self.fold, [], self.folds)


@dataclass(frozen=True, kw_only=True)
class LeaveOneSpeakerOut(Protocol):
    """Tests on one speaker, the one at place `fold` of the sorted speakers."""

    fold: int = 0

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        groups = _groups(table)
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

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        here = sorted(table["corpus"].unique())
        for key, names in (("train", self.train), ("test", self.test)):
            for name in names:
                if name not in here:
                    raise SplitError(f"split.{key} names {name!r}, which is not here.{near(name, here)}")
            if not names:
                raise SplitError(f"split.{key}=[…] is empty.{near('', here)}")
        both = sorted(set(self.train) & set(self.test))
        if both:
            raise SplitError(f"{', '.join(both)} stands in split.train and in split.test.")
        used = table[table["corpus"].isin([*self.train, *self.test])]
        split = self._with_test(used, used["corpus"].isin(list(self.test)), [], 1)
        return Split(split.subset.reindex(table.index, fill_value=OUT), split.notes)


@dataclass(frozen=True, kw_only=True)
class LeaveOneCorpusOut(Protocol):
    """Tests on one corpus, the one at place `fold` of the sorted corpora, trains on the others."""

    fold: int = 0

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        corpora = sorted(table["corpus"].unique())
        if len(corpora) < 2:
            raise SplitError(f"split=leave_corpus_out needs two corpora. {_what_fits(table)}")
        _check_fold(self.fold, len(corpora))
        chosen = corpora[self.fold]
        return self._with_test(table, table["corpus"] == chosen, [f"tests on {chosen}"], len(corpora))


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(Protocol):
    """Tests on the speakers that a publication names; other corpora only train.

    Args:
        test: by corpus, the test speakers of each fold.
        val: by corpus, the validation speakers, where the publication names some.
        fold: which fold tests.
    """

    test: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    val: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fold: int = 0

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
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
            return self._with_test(table, test, notes, folds)
        if not test.any():
            notes.append("untested: no test clip of this protocol is here")
        subset = np.select([test, val], [TEST, VAL], TRAIN)
        return Split(pd.Series(subset, index=table.index, dtype=object), tuple(notes), folds)


@dataclass(frozen=True, kw_only=True)
class TextSplit(Protocol):
    """Tests on sentences or words that training never heard; speakers stand on both sides."""

    fold: int = 0
    folds: int = 5

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        _check_fold(self.fold, self.folds)
        texts = _texts(table)
        if texts.nunique() < self.folds:
            raise SplitError(
                f"split.folds={self.folds} is more than the {texts.nunique()} texts here. "
                f"{_what_fits(table)}"
            )
        strata = table["corpus"] + "/" + table["emotion"]
        parts = _stratified_parts(strata, texts, self.folds, seed=self.seed)
        subset = pd.Series(np.where(parts == self.fold, TEST, TRAIN), index=table.index, dtype=object)
        rest = table[subset == TRAIN]
        subset[_by_text(rest, self.val_fraction, seed=self.seed)] = VAL
        return Split(subset, (), self.folds)


@dataclass(frozen=True, kw_only=True)
class FileSplit(Protocol):
    """Takes any split.csv: path and subset count, an empty subset leaves a clip out."""

    path: str | None = None

    def assign(self, table: pd.DataFrame) -> Split:  # noqa: D102
        if not self.path or not Path(self.path).is_file():
            raise SplitError(f"there is no split file {self.path!r}. Set split.path=FILE.csv.")
        lines = read_table(Path(self.path))
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
                raise SplitError(
                    f"{self.path} leaves no clip of this dataset in {part}. "
                    + (f"Its paths look like {unknown[0]}, " if unknown else "Paths look like ")
                    + f"those here like {table['path'].iloc[0]}."
                )
        if not (subset == TEST).any():
            notes.append("untested: the split file names no test clip")
        return Split(subset, tuple(notes))


def pick_speakers(clips: pd.DataFrame, fraction: float, *, seed: int) -> list[str]:
    """Return a share of a corpus' speakers, at least one and not all, drawn evenly by sex."""
    sexes = clips.groupby("speaker")["sex"].first()
    wanted = min(max(1, round(fraction * len(sexes))), len(sexes) - 1)
    rng = np.random.default_rng(seed)
    drawn = pd.Series(rng.permutation(sexes.index))
    # Each speaker's place among those of the same sex, as a share: the smallest shares come first.
    sex = drawn.map(sexes)
    share = (drawn.groupby(sex).cumcount() + 0.5) / sex.map(sex.value_counts())
    return [str(name) for name in drawn[share.argsort(kind="stable").to_numpy()][:wanted]]


def cut_validation(
    clips: pd.DataFrame, fraction: float, *, seed: int
) -> tuple[pd.Index, list[str]]:
    """Return the rows of one corpus' training clips that validate, and notes on how they were cut.

    By speaker where four or more are there; else by text, within the speakers.
    """
    if clips["speaker"].nunique() >= ENOUGH_SPEAKERS:
        chosen = pick_speakers(clips, fraction, seed=seed)
        return clips.index[clips["speaker"].isin(chosen)], []
    corpus = clips["corpus"].iloc[0]
    note = f"{corpus}: fewer than {ENOUGH_SPEAKERS} training speakers, validation is cut by text"
    return _by_text(clips, fraction, seed=seed), [note]


def _by_text(clips: pd.DataFrame, fraction: float, *, seed: int) -> pd.Index:
    """Return the rows of about a share of the texts, every emotion among them where possible."""
    texts = _texts(clips)
    parts = min(round(1 / fraction), texts.nunique())
    if parts < 2:
        texts, parts = pd.Series(clips["path"], index=clips.index), min(round(1 / fraction), len(clips))
    if parts < 2:
        return clips.index[:0]
    chosen = _stratified_parts(clips["emotion"], texts, parts, seed=seed)
    return clips.index[chosen == 0]


def _stratified_parts(strata: Labels, groups: Labels, parts: int, *, seed: int) -> Labels:
    """Return the part (0…parts-1) of each row: no group in two parts, strata as even as can be."""
    counts = strata.value_counts()
    # A stratum with fewer rows than parts cannot be even: it is merged, as the library demands.
    strata = strata.where(strata.map(counts) >= parts, "rare")
    if (strata == "rare").sum() < parts:
        strata = strata.where(strata != "rare", counts.index[0])
    if strata.value_counts().max() < parts:
        strata = pd.Series("all", index=strata.index)
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    part = pd.Series(0, index=strata.index)
    for number, (_, chosen) in enumerate(folds.split(strata, strata, groups)):
        part.iloc[chosen] = number
    return part


def _groups(table: pd.DataFrame) -> Labels:
    return table["corpus"] + "/" + table["speaker"]


def _texts(table: pd.DataFrame) -> Labels:
    """Return what is said, by corpus; a clip of unknown text is a text of its own."""
    said = table["text"].where(table["text"] != "", table["path"])
    return table["corpus"] + "/" + said


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


def _what_fits(table: pd.DataFrame) -> str:
    """Return the way out: the protocols that fit a table."""
    speakers, corpora = _groups(table).nunique(), table["corpus"].nunique()
    fits = ["random", "all", "file"]
    if speakers > 1:
        fits += ["speaker", "loso", f"kfold split.folds={min(5, speakers)}"]
    if corpora > 1:
        fits += ["corpus", "leave_corpus_out"]
    return (
        f"These clips have {speakers} speakers in {corpora} corpora; "
        f"what fits is split={', split='.join(fits)}."
    )
