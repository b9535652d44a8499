"""Predictions of other tools, read from a CSV file and checked against a split."""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion.data.labels import encode_labels
from emotion.data.splits.base import TEST
from emotion.errors import RunError, SplitError
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.utils.tables import read_table


def read_predictions(path: Path, split: pd.DataFrame) -> ScoredPredictions:
    """Return the predictions of a tool for the test clips of a split.

    Args:
        path: a CSV with path and either p_<label>… (probabilities) or predicted (a label); a
            column target is checked against the split.
        split: path, corpus, speaker, emotion and subset of every clip.

    Raises:
        RunError: a column is missing, or a test clip has no prediction or another target.
        SplitError: the split has no test clip.
    """
    if not path.is_file():
        raise RunError(f"the predictions file {path} does not exist.")
    table = read_table(path).drop_duplicates("path", keep=False)
    columns = [str(name) for name in table.columns]
    probabilities = [name for name in columns if name.startswith("p_")]
    if "path" not in columns or not (probabilities or "predicted" in columns):
        raise RunError(
            f"{path} needs a column path, and either predicted or p_<label> for every label; "
            f"it has {', '.join(columns)}."
        )
    if not len(test := split[split["subset"] == TEST]):
        raise SplitError("the split file has no test clip. Write test into its column subset.")
    both = test.merge(table, on="path", how="left", suffixes=("", "_theirs"), indicator=True)
    if len(missing := both["path"][both["_merge"] == "left_only"]):
        raise RunError(
            f"{path} has no prediction, or several, for {len(missing)} of {len(test)} test clips, "
            f"such as {missing.iloc[0]}. Every test clip needs one row."
        )
    if "target" in table and len(wrong := both[both["target"] != both["emotion"]]):
        clip = wrong.iloc[0]
        raise RunError(
            f"{clip.path} has the target {clip.target} in {path} and {clip.emotion} in the split. "
            "Correct one of them."
        )
    if probabilities:
        labels = tuple(name.removeprefix("p_") for name in probabilities)
        p = both[probabilities].to_numpy(dtype=np.float64)
    else:
        labels = tuple(sorted(set(both["emotion"]) | set(both["predicted"])))
        p = np.eye(len(labels))[encode_labels(both["predicted"], labels)]
    if unknown := sorted(set(both["emotion"]) - set(labels)):
        raise RunError(f"{path} has no column p_<label> for the targets {', '.join(unknown)}.")
    clips = both[["path", "corpus", "speaker", "emotion"]].assign(sex="")
    return ScoredPredictions(clips, np.log(np.maximum(p, 1e-12)), labels)  # 0 has no logarithm
