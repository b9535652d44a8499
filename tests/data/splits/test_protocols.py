"""Split protocols: by speaker, fold, text, corpus, publication and file."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.data.speakers import speaker_ids
from emotion.data.splits.base import SUBSETS, SplitProtocol
from emotion.data.splits.protocols import (
    AllSplit,
    CorpusSplit,
    FileSplit,
    KFold,
    LeaveOneCorpusOut,
    LeaveOneSpeakerOut,
    PublishedSplit,
    RandomSplit,
    SpeakerSplit,
    TextSplit,
)
from emotion.data.splits.stratify import text_ids
from emotion.errors import LeakError, SplitError
from emotion.evaluation.leaks import audit_split
from tests.support.split_tables import (
    SPEAKERS,
    build_split,
    names_in,
    split_if_possible,
    table_of,
    tables,
    with_segments,
)

EMOBOX = [
    ("01 11 20 21", "JE"),
    ("04 10 12 14", "KL"),
    ("08 09 19 23", "DC"),
    ("03 05 07 24", "JK"),
    ("02 15 16 18", ""),
    ("06 13 17 22", ""),
]
EVAR_TEST = (
    "1001 1004 1017 1019 1020 1025 1026 1029 1033 1035 1042 1044 1050 1053 1056 1058 1060 1069 1083"
)
EVAR_VAL = "1009 1011 1022 1034 1039 1047 1066 1070 1082"
LINES = "train train train train train train val val val test test test"
"""Subsets of the lines of a split file."""


@settings(max_examples=15)
@given(table=tables(), seed=st.integers(0, 99))
def test_speaker_splits_each_corpus_independently_of_others(table: pd.DataFrame, seed: int) -> None:
    together = split_if_possible(SpeakerSplit(seed=seed), table)
    for _, clips in table.groupby("corpus"):
        alone = split_if_possible(SpeakerSplit(seed=seed), clips)
        if together and alone:
            assert list(alone.subset) == list(together.subset[clips.index])


def test_speaker_tests_a_fraction_of_every_corpus_balanced_by_sex() -> None:
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


@pytest.mark.parametrize(
    "protocol",
    [
        SpeakerSplit(),
        KFold(folds=2),
        LeaveOneSpeakerOut(),
        LeaveOneCorpusOut(),
        CorpusSplit(train="c0", test="c1"),
        AllSplit(),
        RandomSplit(),
    ],
    ids=lambda protocol: type(protocol).__name__,
)
@settings(max_examples=15)
@given(table=tables(), files=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_segments_of_a_file_stay_together(
    protocol: SplitProtocol, table: pd.DataFrame, files: int, seed: int
) -> None:
    table = with_segments(table, files=files, seed=seed)
    if not (split := split_if_possible(replace(protocol, seed=seed), table)):
        return
    parts = table["path"].groupby(split.subset).agg(set).to_dict()
    train, val, test = (parts.get(subset, set()) for subset in SUBSETS)
    enough = not isinstance(protocol, RandomSplit) or table["path"].nunique() > 2
    assert not enough or not test & (train | val)
    for name in train & val:
        corpus = name.partition("/")[0]
        noted = any(f"{corpus}: segments of " in note for note in split.notes)
        assert not enough or noted, "only within the one file of a corpus, and said so"


def test_of_two_files_each_has_a_speaker_and_validation_is_cut_within_a_file() -> None:
    table = table_of({"a": ["x", "y"]}).assign(start=0.0, end=1.0)
    table["path"] = table["speaker"] + ".wav"
    split = SpeakerSplit().assign(table)
    assert table["path"].groupby(split.subset).nunique().to_dict() == dict.fromkeys(SUBSETS, 1)
    assert any(note.endswith(".wav are in train and in val") for note in split.notes)


def test_a_published_protocol_does_not_test_on_half_a_file(emobox: PublishedSplit) -> None:
    table = table_of(SPEAKERS).assign(start=0.0, end=1.0)
    table.loc[table["speaker"].isin(["01", "02"]), "path"] = "both.wav"
    subset = emobox.assign(table).subset
    with pytest.raises(LeakError, match=r"file both\.wav in test and in train"):
        audit_split(table.assign(subset=subset), allow_leak=False)


@settings(max_examples=15)
@given(table=tables(least=3), seed=st.integers(0, 99))
def test_text_keeps_files_together_where_that_leaves_enough_texts(
    table: pd.DataFrame, seed: int
) -> None:
    path = table["corpus"] + "/" + table["text"].where(table["text"] != "", table["path"])
    table = table.assign(path=path, start=0.0, end=1.0)
    if split := split_if_possible(TextSplit(folds=2, seed=seed), table):
        test = split.subset == "test"
        assert not set(table["path"][test]) & set(table["path"][~test])


def test_random_tests_a_tenth_and_validates_on_a_tenth_of_the_rest() -> None:
    protocol = build_split("split=random")
    assert protocol.allow_leak
    counts = protocol.assign(table_of({"a": ["x", "y"]}, texts=100)).subset.value_counts()
    assert counts.to_dict() == {"train": 972, "val": 108, "test": 120}


@settings(max_examples=15)
@given(table=tables(), folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_folds_test_every_clip_once(table: pd.DataFrame, folds: int, seed: int) -> None:
    splits = [
        split_if_possible(KFold(fold=fold, folds=folds, seed=seed), table) for fold in range(folds)
    ]
    if any(split is None for split in splits):
        return
    tested = np.sum([split.subset == "test" for split in splits if split], axis=0)
    assert (tested == 1).all()
    assert all((split.subset == "test").any() for split in splits if split)
    assert {split.folds for split in splits if split} == {folds}


@settings(max_examples=10)
@given(table=tables())
def test_leave_one_out_tests_each_speaker_and_each_corpus_once(table: pd.DataFrame) -> None:
    for protocol, groups in (
        (LeaveOneSpeakerOut(), speaker_ids(table)),
        (LeaveOneCorpusOut(), table["corpus"]),
    ):
        splits = [
            split_if_possible(replace(protocol, fold=n), table) for n in range(groups.nunique())
        ]
        tested = [set(groups[split.subset == "test"]) for split in splits if split]
        assert all(len(one) == 1 for one in tested)
        assert len(tested) == len(set().union(*tested))
        assert {split.folds for split in splits if split} <= {groups.nunique()}


@settings(max_examples=20)
@given(table=tables(), seed=st.integers(0, 99))
def test_a_text_never_crosses_into_test(table: pd.DataFrame, seed: int) -> None:
    split = split_if_possible(TextSplit(folds=2, fold=seed % 2, seed=seed), table)
    if split is not None:
        texts = text_ids(table)
        assert not set(texts[split.subset == "test"]) & set(texts[split.subset != "test"])


def test_texts_of_all_subsets_differ_and_the_split_allows_its_leak() -> None:
    protocol = build_split("split=text")
    assert protocol.allow_leak
    table = table_of({"a": ["x", "y"]}, texts=20)
    subset = protocol.assign(table).subset
    texts = [set(table["text"][subset == name]) for name in SUBSETS]
    assert [len(names) for names in texts] == [13, 3, 4]
    assert set.union(*texts) == set(table["text"])


@pytest.fixture(scope="module")
def emobox() -> PublishedSplit:
    return build_split("split=emobox")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def evar() -> PublishedSplit:
    return build_split("split=evar")  # type: ignore[return-value]


@pytest.mark.parametrize("fold", range(6))
def test_emobox_tests_on_exactly_the_published_actors(emobox: PublishedSplit, fold: int) -> None:
    table = table_of({name: SPEAKERS[name] for name in ("ravdess", "savee")})
    split = replace(emobox, fold=fold).assign(table)
    actors, speaker = EMOBOX[fold]
    assert names_in(table, split, "test", "ravdess") == set(actors.split())
    assert names_in(table, split, "test", "savee") == set(speaker.split())
    assert split.folds == 6
    assert ("savee has only 4 folds and trains here" in split.notes) == (fold >= 4)


def test_emobox_validates_on_other_speakers_of_its_own_corpora(emobox: PublishedSplit) -> None:
    table = table_of(SPEAKERS | {"mine": ["01", "JE"]}, texts=2)
    split = emobox.assign(table)
    val, train = (names_in(table, split, part, "ravdess") for part in ("val", "train"))
    assert (len(val), len(train)) == (3, 17)
    assert not val & train
    others = table["corpus"].isin(["crema_d", "mine", "tess"])
    assert set(split.subset[others]) == {"train"}, "other corpora only train"
    assert "test has no clip of crema_d, mine, tess" in split.notes


def test_emobox_of_one_corpus_has_its_number_of_folds(emobox: PublishedSplit) -> None:
    assert emobox.assign(table_of({"savee": SPEAKERS["savee"]})).folds == 4


def test_a_fold_without_its_test_speakers_is_untested(emobox: PublishedSplit) -> None:
    here = [actor for actor in SPEAKERS["ravdess"] if actor not in ("06", "13", "17", "22")]
    split = replace(emobox, fold=5).assign(table_of({"ravdess": here}))
    assert "test" not in set(split.subset)
    assert split.notes[0] == "missing test speakers: ravdess 06, 13, 17, 22"
    assert "untested: this dataset has no test clip of this protocol" in split.notes


def test_evar_gives_63_9_and_19_actors(evar: PublishedSplit) -> None:
    table = table_of({"crema_d": SPEAKERS["crema_d"]}, texts=12)
    split = evar.assign(table)
    train, val, test = (
        names_in(table, split, part, "crema_d") for part in ("train", "val", "test")
    )
    assert test == set(EVAR_TEST.split())
    assert val == set(EVAR_VAL.split())
    assert (len(train), len(val), len(test)) == (63, 9, 19)
    assert train | val | test == set(SPEAKERS["crema_d"])


def test_evar_without_its_test_actors_is_untested_not_an_error(evar: PublishedSplit) -> None:
    here = sorted(set(SPEAKERS["crema_d"]) - set(EVAR_TEST.split()))
    table = table_of({"crema_d": here})
    split = evar.assign(table)
    assert names_in(table, split, "val", "crema_d") == set(EVAR_VAL.split())
    assert "untested: this dataset has no test clip of this protocol" in split.notes


def test_evar_on_merged_corpora_trains_on_the_others_with_a_note(evar: PublishedSplit) -> None:
    table = table_of(SPEAKERS, texts=1)
    split = evar.assign(table)
    assert set(split.subset[table["corpus"] != "crema_d"]) == {"train"}
    assert "val has no clip of ravdess, savee, tess" in split.notes


def test_evar_without_training_actors_is_an_error(evar: PublishedSplit) -> None:
    with pytest.raises(SplitError, match="no clip is left to train on"):
        evar.assign(table_of({"crema_d": [*EVAR_TEST.split(), *EVAR_VAL.split()]}))


def test_some_corpora_train_and_others_test() -> None:
    table = table_of(SPEAKERS, texts=1)
    split = CorpusSplit(train=["crema_d", "savee"], test=["tess"]).assign(table)
    by_corpus = split.subset.groupby(table["corpus"]).agg(set).to_dict()
    assert by_corpus == {
        "crema_d": {"train", "val"},
        "savee": {"train", "val"},
        "tess": {"test"},
        "ravdess": {""},
    }


def test_one_corpus_may_be_named_without_brackets() -> None:
    table = table_of(SPEAKERS, texts=1)
    split = build_split("split=corpus", "split.train=crema_d", "split.test=tess").assign(table)
    assert set(table["corpus"][split.subset == "test"]) == {"tess"}


def test_each_fold_leaves_out_one_corpus() -> None:
    table = table_of(SPEAKERS, texts=1)
    for fold, corpus in enumerate(sorted(SPEAKERS)):
        split = LeaveOneCorpusOut(fold=fold).assign(table)
        assert ((split.subset == "test") == (table["corpus"] == corpus)).all()
        assert f"tests on {corpus}" in split.notes


@pytest.fixture
def clips() -> pd.DataFrame:
    return table_of({"a": ["x", "y"]}, texts=1)


def speech_and_song() -> pd.DataFrame:
    """Return two corpora of the same speakers, of whom two are in the first one only."""
    names = [f"{n:02}" for n in range(12)]
    return table_of({"speech": names, "song": names[:10]}).assign(speakers_of="speech")


@pytest.mark.parametrize("words", ["split=speaker", "split=kfold", "split=loso", "split=all"])
def test_the_same_people_in_two_corpora_are_in_one_subset(words: str) -> None:
    table = speech_and_song()
    split = build_split(words).assign(table)
    parts = [set(table["speaker"][split.subset == part]) for part in SUBSETS]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]
    assert set(table["speaker"]) == set.union(*parts)


@pytest.mark.parametrize(
    "protocol",
    [
        PublishedSplit(test={"speech": [["01", "02"]]}),
        PublishedSplit(test={"speech": [["01", "02"]]}, val={"speech": ["03"]}),
        LeaveOneCorpusOut(fold=2),
        CorpusSplit(train=["song", "other"], test=["speech"]),
    ],
)
def test_other_clips_of_the_test_speakers_are_left_out(protocol: SplitProtocol) -> None:
    table = pd.concat([speech_and_song(), table_of({"other": list("abcdef")})], ignore_index=True)
    table["speakers_of"] = table["speakers_of"].fillna(table["corpus"])
    split = protocol.assign(table)
    ids, song = speaker_ids(table), table["corpus"] == "song"
    tested = set(ids[split.subset == "test"])
    assert tested
    assert not tested & set(ids[split.subset.isin(["train", "val"])])
    assert set(split.subset[song & ids.isin(tested)]) == {""}
    assert "clips of test speakers in song are left out" in " ".join(split.notes)


def test_corpora_in_train_only_lose_the_test_speakers() -> None:
    table = speech_and_song()
    split = build_split("split=speaker", "split.train_only=[song]").assign(table)
    tested = set(table["speaker"][split.subset == "test"])
    song = table["corpus"] == "song"
    assert tested
    assert set(split.subset[song & table["speaker"].isin(tested)]) <= {""}


@pytest.mark.parametrize("words", ["split=speaker", "split=kfold", "split=loso", "split=all"])
def test_clips_of_unknown_speakers_are_in_training(words: str) -> None:
    table = table_of({"a": [f"{n:02}" for n in range(9)] + ["unknown", ""]})
    unknown = table["speaker"].isin(["unknown", ""])
    split = build_split(words).assign(table)
    assert set(split.subset[unknown]) == {"train"}
    assert set(split.subset) == set(SUBSETS) - ({"test"} if words == "split=all" else set())
    known = build_split(words).assign(table[~unknown])
    assert list(split.subset[~unknown]) == list(known.subset)


def test_unknown_speakers_do_not_make_a_split_by_speaker_possible() -> None:
    table = table_of({"a": ["x", "unknown", ""]})
    with pytest.raises(SplitError, match=r"needs two speakers.*These clips have 1 speakers"):
        build_split("split=speaker").assign(table)


WriteSplit = Callable[[pd.DataFrame], FileSplit]


@pytest.fixture
def written(tmp_path: Path) -> WriteSplit:
    def write(lines: pd.DataFrame) -> FileSplit:
        lines.to_csv(tmp_path / "split.csv", index=False)
        return FileSplit(path=str(tmp_path / "split.csv"))

    return write


def lines_of(clips: pd.DataFrame, subsets: str) -> pd.DataFrame:
    return pd.DataFrame({"path": clips["path"][::-1], "subset": subsets.split(), "mood": "x"})


def test_the_order_of_a_split_file_does_not_matter(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    split = written(lines_of(clips, LINES)).assign(clips)
    assert list(split.subset) == LINES.split()[::-1]
    assert split.notes == ()


def test_paths_that_are_missing_or_unknown_are_named(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    lines = lines_of(clips, LINES)
    lines.iloc[0, 0] = "gone.wav"
    split = written(lines).assign(clips)
    last = clips["path"].iloc[-1]
    assert split.subset.iloc[-1] == ""
    assert split.notes[0].startswith("1 files in ")
    assert split.notes[0].endswith("are not clips of this dataset, such as gone.wav")
    assert split.notes[1].endswith(f"are left out, such as {last}")


def test_a_split_file_may_spell_its_paths_and_subsets_in_another_way(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    paths = clips["path"] + "é/a"
    on_disk = clips.assign(path=[unicodedata.normalize("NFD", path) for path in paths])
    lines = lines_of(clips.assign(path=paths.str.replace("/", "\\")), LINES)
    lines["subset"] = lines["subset"].str.title() + " "
    split = written(lines).assign(on_disk)
    assert list(split.subset) == LINES.split()[::-1]
    assert split.notes == ()


def test_published_speakers_are_found_in_any_spelling() -> None:
    table = table_of({"a": ["dc", "JE", "jk", "KL"]})
    split = PublishedSplit(test={"a": [["DC\xa0", "je"]]}).assign(table)
    assert set(table["speaker"][split.subset == "test"]) == {"dc", "JE"}
    assert not any("missing" in note for note in split.notes)


def test_an_empty_subset_leaves_a_clip_out_without_a_note(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    lines = lines_of(clips, LINES)
    lines.iloc[0, 1] = ""
    lines.loc[99] = ["of_another_corpus.wav", "", ""]
    split = written(lines).assign(clips)
    assert split.subset.iloc[-1] == ""
    assert split.notes == ()


def test_a_split_file_without_a_test_part_is_untested(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    split = written(lines_of(clips, LINES.replace("test", "val"))).assign(clips)
    assert split.notes == ("untested: the split file has no test clip",)


def test_a_split_file_needs_no_validation_clips_with_val_fraction_0(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    protocol = replace(written(lines_of(clips, LINES.replace("val", "test"))), val_fraction=0)
    assert set(protocol.assign(clips).subset) == {"train", "test"}


def test_a_split_file_names_segments_or_whole_files(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    clips = clips.assign(path=clips["speaker"], start=np.arange(len(clips)) / 3, end=9.5).round(6)
    lines = lines_of(clips, LINES).assign(start_s=clips["start"], end_s=" 9.50")
    split = written(lines).assign(clips)
    assert list(split.subset) == LINES.split()[::-1]
    assert split.notes == ()
    by_file = pd.DataFrame({"path": ["x", "y"], "subset": ["test", "train"]})
    split = replace(written(by_file), val_fraction=0).assign(clips)
    assert list(split.subset) == ["test"] * 6 + ["train"] * 6
    with pytest.raises(SplitError, match=r"has two subsets for y \[3.666667-9.5 s\]"):
        written(pd.concat([lines, lines[:1].assign(subset="test")])).assign(clips)
    with pytest.raises(SplitError, match="y has no start"):
        written(lines.assign(start_s="")).assign(clips.iloc[:1])
    plain = written(
        lines_of(clips.assign(path=clips.index.astype(str)), LINES).assign(start="noon")
    )
    whole = clips.drop(columns=["start", "end"]).assign(path=clips.index.astype(str))
    assert set(plain.assign(whole).subset) == set(SUBSETS), "other columns are ignored"


def test_a_contradictory_or_foreign_split_file_is_rejected(
    clips: pd.DataFrame, written: WriteSplit, tmp_path: Path
) -> None:
    good = lines_of(clips, LINES)
    twice = pd.concat([good, good[:1].assign(subset="test")])
    elsewhere = good.assign(path="data/" + good["path"])
    for lines, words in (
        (
            lines_of(clips, LINES.replace("val", "dev")),
            "the subset 'dev' for .*; a subset is train, val, test",
        ),
        (twice, f"has two subsets for {good['path'].iloc[0]}"),
        (
            elsewhere,
            f"subset train. Its paths are like data/.*those of the dataset like {clips['path'][0]}",
        ),
        (lines_of(clips, LINES.replace("val", "test")), "subset val. Write val beside some"),
        (good.drop(columns="subset"), "needs the columns path and subset"),
    ):
        with pytest.raises(SplitError, match=words):
            written(lines).assign(clips)
    (tmp_path / "split.csv").write_text("")
    for path, words in (("split.csv", "is not a CSV table"), ("no.csv", "does not exist")):
        with pytest.raises(SplitError, match=words):
            FileSplit(path=str(tmp_path / path)).assign(clips)
