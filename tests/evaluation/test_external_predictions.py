"""Predictions of other tools are read whole or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.errors import RunError, SplitError
from emotion.evaluation.external_predictions import read_predictions, read_split
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


def test_a_spreadsheet_in_another_spelling_is_read(tmp_path: Path) -> None:
    rows = TEST[["path", "emotion"]].itertuples(index=False)
    lines = [f"{path};0,75;0,25;{label.title()} ;" for path, label in rows]
    file = tmp_path / "theirs.csv"
    file.write_text("\ufeffPath;p_Sad;P_angry\xa0;Target;\n" + "\n".join(lines))
    scored = read_predictions(file, SPLIT)
    assert scored.labels == ("sad", "angry")
    np.testing.assert_allclose(scored.probabilities(1.0)[:, 0], 0.75)


def test_a_probability_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    file = write_predictions(tmp_path, p_sad="nan", p_angry="0.5")
    with pytest.raises(RunError, match="'nan' in the column p_sad is not a number"):
        read_predictions(file, SPLIT)


def test_two_columns_of_one_label_are_refused(tmp_path: Path) -> None:
    file = write_predictions(tmp_path, p_sad=0.5, p_Sad=0.5)
    with pytest.raises(RunError, match="several columns p_sad"):
        read_predictions(file, SPLIT)


def test_a_split_file_has_one_spelling_of_each_name(tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    file.write_text(
        "path;corpus;speaker;emotion;subset\n"
        "a.wav;x;1001;sad;Test\nb.wav;x;1001 ;SAD;train\nc.wav;x;1002;sad;train\n"
    )
    split, notes = read_split(file)
    assert list(split["speaker"]) == ["1001", "1001", "1002"]
    assert list(split["emotion"]) == ["sad"] * 3
    assert list(split["subset"]) == ["test", "train", "train"]
    assert len(notes) == 2
    write_table(file, split[["path", "corpus", "emotion"]])
    with pytest.raises(SplitError, match="lacks speaker, subset"):
        read_split(file)


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
