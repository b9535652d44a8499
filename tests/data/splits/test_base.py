"""Promises of every split protocol."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from emotion.data.splits.stratify import text_ids
from emotion.errors import ConfigError, SplitError
from tests.support.split_tables import (
    SPEAKERS,
    build_split,
    speakers_in,
    split_if_possible,
    table_of,
    tables,
)

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
ONE_SPEAKER = table_of({"a": ["x"]}, texts=1)
ONE_SPEAKER_EACH = table_of({"a": ["x"], "b": ["y"]}, texts=1)


@pytest.mark.parametrize("protocol", SPEAKER_DISJOINT, ids=repr)
@settings(max_examples=20)
@given(table=tables(), seed=st.integers(0, 99))
def test_speaker_never_crosses_subsets(
    protocol: SplitProtocol, table: pd.DataFrame, seed: int
) -> None:
    split = split_if_possible(replace(protocol, seed=seed), table)
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
    """Validation has other speakers where four are left, else other texts, with a note."""
    train, val = (clips[split.subset[clips.index] == part] for part in ("train", "val"))
    assert len(train), "validation never takes all"
    if clips["speaker"].nunique() >= 4:
        assert len(val)
        assert not set(train["speaker"]) & set(val["speaker"])
    else:
        assert any(f"{corpus}: fewer than 4 training" in note for note in split.notes)
        if text_ids(clips).nunique() > 1:
            assert len(val)
            assert not set(text_ids(train)) & set(text_ids(val))


@pytest.mark.parametrize(
    "protocol", [AllSplit(), SpeakerSplit(), RandomSplit(), TextSplit(folds=2)], ids=repr
)
def test_without_validation_its_clips_train(protocol: SplitProtocol) -> None:
    table = table_of({"a": list("vwxyz")})
    before, split = (replace(protocol, val_fraction=v).assign(table) for v in (0.2, 0))
    assert (before.subset == "val").any()
    assert list(split.subset) == list(before.subset.replace("val", "train"))


@settings(max_examples=8)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_split(table: pd.DataFrame, seed: int) -> None:
    for protocol in (*SPEAKER_DISJOINT, TextSplit(folds=2), RandomSplit()):
        seeded = replace(protocol, seed=seed)
        first, again = split_if_possible(seeded, table), split_if_possible(seeded, table.copy())
        assert (first is None) == (again is None)
        if first and again:
            pd.testing.assert_series_equal(first.subset, again.subset)


def test_another_seed_gives_another_split() -> None:
    table = table_of({"a": [f"{n:02}" for n in range(24)]})
    for protocol in (SpeakerSplit(), KFold(), AllSplit(), RandomSplit()):
        drawn = {tuple(replace(protocol, seed=seed).assign(table).subset) for seed in range(4)}
        assert len(drawn) == 4


@pytest.mark.parametrize(
    "protocol",
    [
        "split=emobox split.fold=4",
        "split=speaker",
        "split=kfold split.fold=1",
        "split=loso split.fold=2",
        "split=random",
        "split=text split.folds=2",
    ],
)
def test_corpora_in_train_only_do_not_change_the_split_of_others(protocol: str) -> None:
    ravdess = table_of({"ravdess": SPEAKERS["ravdess"]}, texts=2)
    table = pd.concat([table_of(SPEAKERS, texts=2), ravdess]).drop_duplicates("path")
    alone = build_split(*protocol.split()).assign(ravdess)
    joint = build_split(*protocol.split(), "split.train_only=[crema_d,savee,tess]").assign(table)
    own = table["corpus"] == "ravdess"
    assert set(joint.subset[~own]) == {"train"}
    assert list(joint.subset[own]) == list(alone.subset)
    assert joint.folds == alone.folds
    assert "all clips of crema_d, savee, tess are in train" in joint.notes[-1]


def test_train_only_needs_known_corpora_and_leaves_one_for_validation() -> None:
    table = table_of({"crema_d": SPEAKERS["crema_d"], "tess": SPEAKERS["tess"]})
    with pytest.raises(SplitError, match=r"train_only names 'tes'.*tess"):
        build_split("split.train_only=[tes]").assign(table)
    with pytest.raises(SplitError, match="leaves no corpus to validate on"):
        build_split("split.train_only=[crema_d,tess]").assign(table)


@settings(max_examples=12)
@given(table=tables(least=3))
def test_protocols_suggested_by_an_error_fit(table: pd.DataFrame) -> None:
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
    fits = str(caught.value).partition("protocols that fit: ")[2]
    for suggestion in fits.rstrip(".").split(", "):
        name, _, folds = suggestion.removeprefix("split=").partition(" split.folds=")
        if name == "kfold":
            protocols[name] = KFold(folds=int(folds))
        if name != "file":
            assert (protocols[name].assign(table).subset == "test").any() or name == "all"


@pytest.mark.parametrize(
    ("protocol", "table", "words"),
    [
        (
            SpeakerSplit(),
            ONE_SPEAKER,
            r"needs two speakers.*split=file, split=random, split=all\.$",
        ),
        (
            SpeakerSplit(),
            ONE_SPEAKER_EACH,
            r"needs two speakers.*1 speakers? in|protocols that fit.*split=loso",
        ),
        (LeaveOneSpeakerOut(), ONE_SPEAKER, r"needs two speakers.*have 1 speakers in 1 corpora"),
        (
            KFold(),
            ONE_SPEAKER_EACH,
            r"split\.folds=5 is more than the 2 speakers.*kfold split\.folds=2",
        ),
        (LeaveOneCorpusOut(), ONE_SPEAKER, "needs two corpora.*protocols that fit: split=file"),
        (TextSplit(), ONE_SPEAKER, r"split\.folds=5 is more than the 1 texts.*protocols that fit"),
        (RandomSplit(), ONE_SPEAKER[:2], "2 clips are too few.*protocols that fit"),
        (
            PublishedSplit(test={"savee": [["JE"]]}),
            ONE_SPEAKER_EACH,
            "is for savee; this dataset has a, b.*protocols that fit",
        ),
        (
            CorpusSplit(train=["a"]),
            ONE_SPEAKER_EACH,
            r"split\.test=\[…\] is empty. Choose from: a, b",
        ),
        (
            CorpusSplit(train=["a"], test=["bb"]),
            ONE_SPEAKER_EACH,
            r"'bb', which this dataset does not have. Did you mean b",
        ),
        (
            CorpusSplit(train=["a"], test=["a"]),
            ONE_SPEAKER_EACH,
            r"a is in both split\.train and split",
        ),
    ],
)
def test_an_error_for_a_small_corpus_suggests_protocols(
    protocol: SplitProtocol, table: pd.DataFrame, words: str
) -> None:
    with pytest.raises(SplitError, match=words):
        protocol.assign(table)


def test_speaker_is_not_suggested_without_two_speakers_in_a_corpus() -> None:
    with pytest.raises(SplitError) as caught:
        SpeakerSplit().assign(ONE_SPEAKER_EACH)
    assert "split=speaker," not in str(caught.value).partition("protocols that fit")[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fold": 5}, r"split\.fold=5 is not valid: choose 0…4"),
        ({"fold": -1}, r"split\.fold=-1 must be an integer of at least 0"),
        ({"fold": "all"}, r"split\.fold=all must be"),
        ({"folds": 1}, r"split\.folds=1 must be an integer of at least 2"),
        ({"folds": 2.5}, r"split\.folds=2\.5 must be"),
        ({"val_fraction": 1}, r"split\.val_fraction=1 must be at least 0 and less than 1"),
        ({"val_fraction": -0.1}, r"split\.val_fraction=-0\.1 must be at least 0"),
    ],
)
def test_an_invalid_setting_is_named_with_its_range(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        KFold(**change).assign(table_of({"a": list("vwxyz")}))
