from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.config.composition import composed
from emotion.data.splits.base import SUBSETS, Split, SplitProtocol
from emotion.data.splits.protocols import (
    AllSplit,
    CorpusSplit,
    KFold,
    LeaveOneCorpusOut,
    LeaveOneSpeakerOut,
    PublishedSplit,
    RandomSplit,
    SpeakerSplit,
    TextSplit,
)
from emotion.errors import ConfigError, SplitError

EMOTIONS = ("sad", "angry", "disgust", "fear", "happy", "neutral")
COLUMNS = ["path", "corpus", "speaker", "sex", "emotion", "text"]
SPEAKER_DISJOINT: list[SplitProtocol] = [
    SpeakerSplit(),
    AllSplit(val_fraction=0.9),
    AllSplit(),
    KFold(folds=2, fold=1),
    KFold(folds=5, fold=3),
    LeaveOneSpeakerOut(),
    LeaveOneCorpusOut(),
    CorpusSplit(train=["c0"], test=["c1"]),
]


def table_of(speakers: Mapping[str, list[str]], *, texts: int = 3) -> pd.DataFrame:
    """Return a table in which every speaker says every text in every emotion."""
    rows = [
        (f"{corpus}/{who}_{text}_{emotion}", corpus, who, "fm"[place % 2], emotion, f"t{text}")
        for corpus, names in speakers.items()
        for place, who in enumerate(names)
        for text, emotion in product(range(texts), EMOTIONS)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> pd.DataFrame:
    """Corpora of all sizes, whose speakers are called alike; at least `least` clips a speaker."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = []
    for corpus in range(draw(st.integers(1, 3))):
        emotions, texts = draw(st.integers(1, 4)), draw(st.integers(1, 6))
        for who in range(draw(st.integers(1, 8))):
            sex = rng.choice(["f", "m", ""])
            for _ in range(rng.integers(least, least + draw(st.integers(1, 6)))):
                text = rng.choice(["", *(f"t{n}" for n in range(texts))])
                emotion = EMOTIONS[rng.integers(emotions)]
                path = f"c{corpus}/{len(rows):03}.wav"
                rows.append((path, f"c{corpus}", f"s{who}", sex, emotion, text))
    return pd.DataFrame(rows, columns=COLUMNS)


def assign(protocol: SplitProtocol, table: pd.DataFrame) -> Split | None:
    """Return the split, or None where the protocol says that it does not fit, and what does."""
    try:
        return protocol.assign(table)
    except (SplitError, ConfigError) as err:
        ways_out = ("what fits is split=", "which is not here", "split.fold=")
        if not any(words in str(err) for words in ways_out):
            raise
        return None


def speakers_in(table: pd.DataFrame, split: Split, *parts: str) -> set[str]:
    return set((table["corpus"] + "/" + table["speaker"])[split.subset.isin(parts)])


def names_in(table: pd.DataFrame, split: Split, part: str, corpus: str) -> set[str]:
    return set(table["speaker"][(split.subset == part) & (table["corpus"] == corpus)])


def said(table: pd.DataFrame) -> set[str]:
    return set(table["text"].where(table["text"] != "", table["path"]))


@pytest.mark.parametrize("protocol", SPEAKER_DISJOINT, ids=repr)
@settings(max_examples=20)
@given(table=tables(), seed=st.integers(0, 99))
def test_speaker_never_crosses_subsets(
    protocol: SplitProtocol, table: pd.DataFrame, seed: int
) -> None:
    split = assign(replace(protocol, seed=seed), table)
    if split is None:
        return
    assert split.subset.index.equals(table.index)
    assert set(split.subset) <= {*SUBSETS, ""}
    assert not speakers_in(table, split, "test") & speakers_in(table, split, "train", "val")
    assert (split.subset == "test").any() or any("untested" in note for note in split.notes)
    assert (split.subset == "val").any()
    for corpus, clips in table[split.subset.isin(["train", "val"])].groupby("corpus"):
        check_validation(str(corpus), clips, split)


def check_validation(corpus: str, clips: pd.DataFrame, split: Split) -> None:
    """Validation has speakers of its own where four are left, else texts, and that is said."""
    train, val = (clips[split.subset[clips.index] == part] for part in ("train", "val"))
    assert len(train), "validation never takes all"
    if clips["speaker"].nunique() >= 4:
        assert len(val)
        assert not set(train["speaker"]) & set(val["speaker"])
    else:
        assert any(f"{corpus}: fewer than 4 training" in note for note in split.notes)
        if len(said(clips)) > 1:
            assert len(val)
            assert not said(train) & said(val)


@pytest.mark.parametrize(
    "protocol", [AllSplit(), SpeakerSplit(), RandomSplit(), TextSplit(folds=2)], ids=repr
)
def test_without_validation_all_but_the_test_train(protocol: SplitProtocol) -> None:
    table = table_of({"a": list("vwxyz")})
    before, split = (replace(protocol, val_fraction=v).assign(table) for v in (0.2, 0))
    assert (before.subset == "val").any()
    assert list(split.subset) == list(before.subset.replace("val", "train"))


@settings(max_examples=8)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_split(table: pd.DataFrame, seed: int) -> None:
    for protocol in (*SPEAKER_DISJOINT, TextSplit(folds=2), RandomSplit()):
        seeded = replace(protocol, seed=seed)
        first, again = assign(seeded, table), assign(seeded, table.copy())
        assert (first is None) == (again is None)
        if first and again:
            pd.testing.assert_series_equal(first.subset, again.subset)


@settings(max_examples=15)
@given(table=tables(), seed=st.integers(0, 99))
def test_each_corpus_is_divided_as_if_it_were_alone(table: pd.DataFrame, seed: int) -> None:
    together = assign(SpeakerSplit(seed=seed), table)
    for _, clips in table.groupby("corpus"):
        alone = assign(SpeakerSplit(seed=seed), clips)
        if together and alone:
            assert list(alone.subset) == list(together.subset[clips.index])


def test_another_seed_gives_another_split() -> None:
    table = table_of({"a": [f"{n:02}" for n in range(24)]})
    for protocol in (SpeakerSplit(), KFold(), AllSplit(), RandomSplit()):
        drawn = {tuple(replace(protocol, seed=seed).assign(table).subset) for seed in range(4)}
        assert len(drawn) == 4


@settings(max_examples=15)
@given(table=tables(), folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_test_parts_of_all_folds_are_the_whole_corpus_once(
    table: pd.DataFrame, folds: int, seed: int
) -> None:
    splits = [assign(KFold(fold=fold, folds=folds, seed=seed), table) for fold in range(folds)]
    if any(split is None for split in splits):
        return
    tested = np.sum([split.subset == "test" for split in splits if split], axis=0)
    assert (tested == 1).all()
    assert all((split.subset == "test").any() for split in splits if split)
    assert {split.folds for split in splits if split} == {folds}


@settings(max_examples=10)
@given(table=tables())
def test_leave_one_out_tests_each_speaker_and_each_corpus_once(table: pd.DataFrame) -> None:
    speakers = table["corpus"] + "/" + table["speaker"]
    for protocol, groups in (
        (LeaveOneSpeakerOut(), speakers),
        (LeaveOneCorpusOut(), table["corpus"]),
    ):
        splits = [assign(replace(protocol, fold=n), table) for n in range(groups.nunique())]
        tested = [set(groups[split.subset == "test"]) for split in splits if split]
        assert all(len(one) == 1 for one in tested)
        assert len(tested) == len(set().union(*tested))
        assert {split.folds for split in splits if split} <= {groups.nunique()}


@settings(max_examples=12)
@given(table=tables(least=3))
def test_what_an_error_says_fits_does_fit(table: pd.DataFrame) -> None:
    with pytest.raises(SplitError) as caught:
        PublishedSplit(test={"none": [["x"]]}).assign(table)
    protocols: dict[str, SplitProtocol] = {
        "random": RandomSplit(),
        "all": AllSplit(),
        "speaker": SpeakerSplit(),
        "loso": LeaveOneSpeakerOut(),
        "corpus": CorpusSplit(train=["c0"], test=["c1"]),
        "leave_corpus_out": LeaveOneCorpusOut(),
    }
    fits = str(caught.value).partition("what fits is ")[2]
    for words in fits.rstrip(".").split(", "):
        name, _, folds = words.removeprefix("split=").partition(" split.folds=")
        if name == "kfold":
            protocols[name] = KFold(folds=int(folds))
        if name != "file":
            assert (protocols[name].assign(table).subset == "test").any() or name == "all"


def test_speakers_are_drawn_evenly_by_sex_from_every_corpus() -> None:
    table = table_of({"a": [f"{n:02}" for n in range(20)], "b": [f"{n:02}" for n in range(10)]})
    for seed in range(5):
        split = SpeakerSplit(seed=seed).assign(table)
        for corpus, tests, women in (("a", 4, 2), ("b", 2, 1)):
            names = names_in(table, split, "test", corpus)
            sexes = table[table["speaker"].isin(names) & (table["corpus"] == corpus)]
            assert len(names) == tests
            assert sexes.groupby("speaker")["sex"].first().eq("f").sum() == women


@pytest.mark.parametrize("test_fraction", [0.2, 0.9])
def test_of_two_speakers_one_trains_and_validation_is_cut_by_text(test_fraction: float) -> None:
    table = table_of({"tess": ["OAF", "YAF"]}, texts=20)
    split = SpeakerSplit(test_fraction=test_fraction).assign(table)
    assert len(names_in(table, split, "test", "tess")) == 1
    assert names_in(table, split, "val", "tess") == names_in(table, split, "train", "tess")
    assert split.notes == ("tess: fewer than 4 training speakers, validation is cut by text",)


def test_random_is_the_reports_90_to_10_and_validation_is_of_the_90() -> None:
    with composed("train", ["split=random"]) as config:
        protocol = config.build("split")
    assert protocol.allow_leak
    counts = protocol.assign(table_of({"a": ["x", "y"]}, texts=100)).subset.value_counts()
    assert counts.to_dict() == {"train": 972, "val": 108, "test": 120}


@settings(max_examples=20)
@given(table=tables(), seed=st.integers(0, 99))
def test_a_text_never_crosses_into_test(table: pd.DataFrame, seed: int) -> None:
    split = assign(TextSplit(folds=2, fold=seed % 2, seed=seed), table)
    if split is not None:
        texts = table["corpus"] + "/" + table["text"].where(table["text"] != "", table["path"])
        assert not set(texts[split.subset == "test"]) & set(texts[split.subset != "test"])


def test_text_is_disjoint_in_validation_too_and_marked_as_leaking() -> None:
    with composed("train", ["split=text"]) as config:
        protocol = config.build("split")
    assert protocol.allow_leak
    table = table_of({"a": ["x", "y"]}, texts=20)
    subset = protocol.assign(table).subset
    heard = [set(table["text"][subset == part]) for part in SUBSETS]
    assert [len(texts) for texts in heard] == [13, 3, 4]
    assert set.union(*heard) == set(table["text"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fold": 5}, r"split\.fold=5 is not 0…4"),
        ({"fold": -1}, r"split\.fold=-1 must be a whole number from 0"),
        ({"fold": "all"}, r"split\.fold=all must be"),
        ({"folds": 1}, r"split\.folds=1 must be a whole number from 2"),
        ({"folds": 2.5}, r"split\.folds=2\.5 must be"),
        ({"val_fraction": 1}, r"split\.val_fraction=1 must be at least 0, under 1"),
        ({"val_fraction": -0.1}, r"split\.val_fraction=-0\.1 must be at least 0"),
    ],
)
def test_a_setting_that_cannot_be_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        KFold(**change).assign(table_of({"a": list("vwxyz")}))
