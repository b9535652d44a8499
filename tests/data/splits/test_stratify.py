"""Selection of speakers and texts, and stratified folds."""

import numpy as np
import pandas as pd
import pytest

from emotion.data.splits.stratify import (
    cut_by_text,
    cut_validation,
    pick_speakers,
    stratified_parts,
    text_ids,
)
from tests.support.split_tables import EMOTIONS, table_of

EIGHT = table_of({"a": list("stuvwxyz")})


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 1), (0.25, 2), (0.5, 4), (0.99, 7)])
def test_at_least_one_speaker_is_picked_and_never_all(fraction: float, count: int) -> None:
    for seed in range(4):
        assert len(set(pick_speakers(EIGHT, fraction, seed=seed))) == count


def test_picked_speakers_are_balanced_by_sex() -> None:
    sexes = EIGHT.groupby("speaker")["sex"].first()
    for seed in range(4):
        assert sorted(sexes[pick_speakers(EIGHT, 0.5, seed=seed)]) == ["f", "f", "m", "m"]


@pytest.mark.parametrize(("names", "by_speaker"), [("wxyz", True), ("xyz", False)])
def test_validation_is_by_speaker_from_four_speakers_on_and_else_by_text(
    names: str, by_speaker: bool
) -> None:
    clips = table_of({"a": list(names)})
    rows, notes = cut_validation(clips, 0.3, seed=0)
    column = "speaker" if by_speaker else "text"
    assert not set(clips.loc[rows, column]) & set(clips.drop(rows)[column])
    assert len(notes) == (not by_speaker)


def test_a_cut_by_text_contains_every_emotion_and_leaves_other_texts() -> None:
    clips = table_of({"a": ["x"]}, texts=10)
    rows = cut_by_text(clips, 0.2, seed=0)
    assert clips.loc[rows, "text"].nunique() == 2
    assert set(clips.loc[rows, "emotion"]) == set(EMOTIONS)


def test_a_single_clip_cannot_be_cut() -> None:
    assert len(cut_by_text(EIGHT[:1], 0.5, seed=0)) == 0


def test_parts_keep_groups_together_and_strata_balanced() -> None:
    parts = stratified_parts(EIGHT["emotion"], EIGHT["speaker"], 4, seed=1)
    assert (parts.groupby(EIGHT["speaker"]).nunique() == 1).all()
    counts = pd.crosstab(parts, EIGHT["emotion"])
    assert (counts == len(EIGHT) / 4 / len(EMOTIONS)).all(axis=None)


def test_a_stratum_smaller_than_the_number_of_parts_is_possible() -> None:
    strata = pd.Series(["common"] * 9 + ["rare"])
    parts = stratified_parts(strata, pd.Series(np.arange(10)), 5, seed=0)
    assert sorted(parts.value_counts()) == [2] * 5


def test_clips_of_unknown_text_are_texts_of_their_own_and_corpora_share_none() -> None:
    table = pd.DataFrame(
        {"path": ["a", "b", "c", "d"], "corpus": ["x", "x", "x", "y"], "text": ["", "", "t", "t"]}
    )
    assert text_ids(table).nunique() == 4
