"""The published protocols, corpora against each other, and the user's own split file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from emotion.config.composition import composed
from emotion.data.splits.base import SplitProtocol
from emotion.data.splits.protocols import (
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
from emotion.errors import SplitError
from tests.data.splits.test_protocols import names_in, table_of

SPEAKERS = {
    "crema_d": [str(actor) for actor in range(1001, 1092)],
    "ravdess": [f"{actor:02}" for actor in range(1, 25)],
    "savee": ["DC", "JE", "JK", "KL"],
    "tess": ["OAF", "YAF"],
}
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


def build_split(*overrides: str) -> SplitProtocol:
    with composed("train", list(overrides)) as config:
        protocol: SplitProtocol = config.build("split")
        return protocol


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
def test_corpora_only_added_to_training_change_nothing_else(protocol: str) -> None:
    ravdess = table_of({"ravdess": SPEAKERS["ravdess"]}, texts=2)
    table = pd.concat([table_of(SPEAKERS, texts=2), ravdess]).drop_duplicates("path")
    alone = build_split(*protocol.split()).assign(ravdess)
    joint = build_split(*protocol.split(), "split.train_only=[crema_d,savee,tess]").assign(table)
    own = table["corpus"] == "ravdess"
    assert set(joint.subset[~own]) == {"train"}
    assert list(joint.subset[own]) == list(alone.subset)
    assert joint.folds == alone.folds
    assert "of crema_d, savee, tess all clips train" in joint.notes[-1]


def test_corpora_that_only_train_are_named_and_leave_one_to_judge_by() -> None:
    table = table_of({"crema_d": SPEAKERS["crema_d"], "tess": SPEAKERS["tess"]})
    with pytest.raises(SplitError, match=r"train_only names 'tes'.*tess"):
        build_split("split.train_only=[tes]").assign(table)
    with pytest.raises(SplitError, match="leaves no corpus to validate on"):
        build_split("split.train_only=[crema_d,tess]").assign(table)


def test_emobox_of_one_corpus_has_its_number_of_folds(emobox: PublishedSplit) -> None:
    assert emobox.assign(table_of({"savee": SPEAKERS["savee"]})).folds == 4


def test_a_fold_whose_test_speakers_are_not_here_is_untested(emobox: PublishedSplit) -> None:
    here = [actor for actor in SPEAKERS["ravdess"] if actor not in ("06", "13", "17", "22")]
    split = replace(emobox, fold=5).assign(table_of({"ravdess": here}))
    assert "test" not in set(split.subset)
    assert split.notes[0] == "test speakers that are not here: ravdess 06, 13, 17, 22"
    assert "untested: no test clip of this protocol is here" in split.notes


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
    assert "untested: no test clip of this protocol is here" in split.notes


def test_evar_on_merged_corpora_trains_on_the_others_and_says_so(evar: PublishedSplit) -> None:
    table = table_of(SPEAKERS, texts=1)
    split = evar.assign(table)
    assert set(split.subset[table["corpus"] != "crema_d"]) == {"train"}
    assert "val has no clip of ravdess, savee, tess" in split.notes


def test_evar_with_nobody_left_to_train_is_an_error(evar: PublishedSplit) -> None:
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


def test_each_corpus_is_left_out_in_its_turn() -> None:
    table = table_of(SPEAKERS, texts=1)
    for fold, corpus in enumerate(sorted(SPEAKERS)):
        split = LeaveOneCorpusOut(fold=fold).assign(table)
        assert ((split.subset == "test") == (table["corpus"] == corpus)).all()
        assert f"tests on {corpus}" in split.notes


LONELY = table_of({"a": ["x"]}, texts=1)
APART = table_of({"a": ["x"], "b": ["y"]}, texts=1)


@pytest.mark.parametrize(
    ("protocol", "table", "words"),
    [
        (SpeakerSplit(), LONELY, r"needs two speakers.*split=file, split=random, split=all\.$"),
        (SpeakerSplit(), APART, r"needs two speakers.*1 speakers? in|what fits.*split=loso"),
        (LeaveOneSpeakerOut(), LONELY, r"needs two speakers.*have 1 speakers in 1 corpora"),
        (KFold(), APART, r"split\.folds=5 is more than the 2 speakers.*kfold split\.folds=2"),
        (LeaveOneCorpusOut(), LONELY, "needs two corpora.*what fits is split=file"),
        (TextSplit(), LONELY, r"split\.folds=5 is more than the 1 texts.*what fits"),
        (RandomSplit(), LONELY[:2], "2 clips are too few.*what fits"),
        (PublishedSplit(test={"savee": [["JE"]]}), APART, "is for savee; here is a, b.*what fits"),
        (CorpusSplit(train=["a"]), APART, r"split\.test=\[…\] is empty. Choose from: a, b"),
        (CorpusSplit(train=["a"], test=["bb"]), APART, r"'bb', which is not here. Did you mean b"),
        (CorpusSplit(train=["a"], test=["a"]), APART, r"a stands in split\.train and in split"),
    ],
)
def test_a_corpus_too_small_for_a_protocol_is_told_what_fits(
    protocol: SplitProtocol, table: pd.DataFrame, words: str
) -> None:
    with pytest.raises(SplitError, match=words):
        protocol.assign(table)


def test_speaker_is_not_offered_where_no_corpus_has_two() -> None:
    with pytest.raises(SplitError) as caught:
        SpeakerSplit().assign(APART)
    assert "split=speaker," not in str(caught.value).partition("what fits")[2]


@pytest.fixture
def clips() -> pd.DataFrame:
    return table_of({"a": ["x", "y"]}, texts=1)


WriteSplit = Callable[[pd.DataFrame], FileSplit]


@pytest.fixture
def written(tmp_path: Path) -> WriteSplit:
    def write(lines: pd.DataFrame) -> FileSplit:
        lines.to_csv(tmp_path / "split.csv", index=False)
        return FileSplit(path=str(tmp_path / "split.csv"))

    return write


def lines_of(clips: pd.DataFrame, subsets: str) -> pd.DataFrame:
    return pd.DataFrame({"path": clips["path"][::-1], "subset": subsets.split(), "mood": "x"})


SUBSETS = "train train train train train train val val val test test test"


def test_a_split_file_decides_whatever_its_order(clips: pd.DataFrame, written: WriteSplit) -> None:
    split = written(lines_of(clips, SUBSETS)).assign(clips)
    assert list(split.subset) == SUBSETS.split()[::-1]
    assert split.notes == ()


def test_paths_that_are_missing_or_unknown_are_named(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    lines = lines_of(clips, SUBSETS)
    lines.iloc[0, 0] = "gone.wav"
    split = written(lines).assign(clips)
    last = clips["path"].iloc[-1]
    assert split.subset.iloc[-1] == ""
    assert split.notes[0].startswith("1 files in ")
    assert split.notes[0].endswith("are no clips of this dataset, such as gone.wav")
    assert split.notes[1].endswith(f"are left out, such as {last}")


def test_an_empty_subset_leaves_out_without_a_word(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    lines = lines_of(clips, SUBSETS)
    lines.iloc[0, 1] = ""
    lines.loc[99] = ["of_another_corpus.wav", "", ""]
    split = written(lines).assign(clips)
    assert split.subset.iloc[-1] == ""
    assert split.notes == ()


def test_a_split_file_without_a_test_part_is_untested(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    split = written(lines_of(clips, SUBSETS.replace("test", "val"))).assign(clips)
    assert split.notes == ("untested: the split file names no test clip",)


def test_a_split_file_need_not_name_validation_where_none_is_wanted(
    clips: pd.DataFrame, written: WriteSplit
) -> None:
    protocol = replace(written(lines_of(clips, SUBSETS.replace("val", "test"))), val_fraction=0)
    assert set(protocol.assign(clips).subset) == {"train", "test"}


def test_a_split_file_that_cannot_be_meant_is_refused(
    clips: pd.DataFrame, written: WriteSplit, tmp_path: Path
) -> None:
    good = lines_of(clips, SUBSETS)
    twice = pd.concat([good, good[:1].assign(subset="test")])
    elsewhere = good.assign(path="data/" + good["path"])
    for lines, words in (
        (
            lines_of(clips, SUBSETS.replace("val", "dev")),
            "into 'dev'; a subset is train, val, test",
        ),
        (twice, f"puts {good['path'].iloc[0]} into two subsets"),
        (elsewhere, f"in train. Its paths look like data/.*those here like {clips['path'][0]}"),
        (lines_of(clips, SUBSETS.replace("val", "test")), "in val. Write val beside some"),
        (good.drop(columns="subset"), "has no columns path and subset"),
    ):
        with pytest.raises(SplitError, match=words):
            written(lines).assign(clips)
    (tmp_path / "split.csv").write_text("")
    for path, words in (("split.csv", "is not a CSV table"), ("no.csv", "there is no split file")):
        with pytest.raises(SplitError, match=words):
            FileSplit(path=str(tmp_path / path)).assign(clips)
