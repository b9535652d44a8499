"""Predictions of other tools are read whole or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.errors import RunError, SplitError
from emotion.evaluation.external_predictions import read_predictions
from emotion.utils.tables import write_table
from tests.support.labelled_clips import labelled_clips

SPLIT = labelled_clips()
TEST = SPLIT[SPLIT["subset"] == "test"]


def write_predictions(folder: Path, **columns: object) -> Path:
    """Write predictions of all test clips."""
    write_table(folder / "theirs.csv", TEST[["path"]].assign(**columns))
    return folder / "theirs.csv"


def test_labels_alone_are_scored(tmp_path: Path) -> None:
    file = write_predictions(tmp_path, predicted=TEST["emotion"])
    assert read_predictions(file, SPLIT).metrics(1.0)["uar"] == 1.0


def test_probabilities_are_kept(tmp_path: Path) -> None:
    p = np.random.default_rng(0).uniform(size=len(TEST))
    file = write_predictions(tmp_path, p_sad=p, p_angry=1 - p)
    scored = read_predictions(file, SPLIT)
    assert scored.labels == ("sad", "angry")
    np.testing.assert_allclose(scored.probabilities(1.0)[:, 0], p)


@pytest.mark.parametrize("rows", [slice(1, None), [0, *range(len(TEST))]], ids=["none", "two"])
def test_a_test_clip_needs_exactly_one_prediction(rows: object, tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    write_table(file, TEST[["path"]].assign(predicted="sad").iloc[rows])  # type: ignore[index]
    with pytest.raises(RunError, match=f"no prediction, or several, for 1 of {len(TEST)} test"):
        read_predictions(file, SPLIT)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"predicted": "sad", "target": "sad"}, "has the target sad in .* and angry in the split"),
        ({"p_sad": 1.0}, "no column p_<label> for the targets angry"),
        ({"label": "sad"}, "needs a column path, and either predicted or p_<label>"),
    ],
    ids=["target", "missing label", "missing column"],
)
def test_files_that_do_not_fit_the_split_are_refused(
    columns: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=message):
        read_predictions(write_predictions(tmp_path, **columns), SPLIT)


def test_a_split_without_test_clips_is_refused(tmp_path: Path) -> None:
    file = write_predictions(tmp_path, predicted="sad")
    split: pd.DataFrame = SPLIT[SPLIT["subset"] != "test"]
    with pytest.raises(SplitError, match="no test clip"):
        read_predictions(file, split)
