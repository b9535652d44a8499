"""Predictions that another tool made, judged as if they were a run's own."""

from pathlib import Path

import numpy as np
import pandas as pd

from emotion.errors import RunError, SplitError
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.utils.tables import read_table

FLOOR = 1e-12
"""A probability of 0 has no logarithm: this stands for it."""


def read_predictions(path: Path, split: pd.DataFrame) -> ScoredPredictions:
    """Return what a tool said of a split's test clips.

    Args:
        path: a CSV with path and either probabilities, p_<label>…, or one label, predicted; a
            column target is checked against the split.
        split: path, corpus, speaker, emotion and subset of every clip.

    Raises:
        RunError: a column is missing, or clips that are tested have no prediction.
    """
    if not path.is_file():
        raise RunError(f"there is no predictions file {path}.")
    told = read_table(path).drop_duplicates("path", keep=False)
    columns = [str(name) for name in told.columns]
    chances = [name for name in columns if name.startswith("p_")]
    if "path" not in columns or not (chances or "predicted" in columns):
        raise RunError(
            f"{path} needs a column path, and either predicted or p_<label> for every label; "
            f"it has {', '.join(columns)}."
        )
    test = split[split["subset"] == "test"]
    if not len(test):
        raise SplitError("the split file names no test clip: there is nothing to judge.")
    both = test.merge(told, on="path", how="left", suffixes=("", "_told"), indicator=True)
    missing = both["path"][both["_merge"] == "left_only"]
    if len(missing):
        raise RunError(
            f"{path} has no single prediction for {len(missing)} of {len(test)} test clips, such "
            f"as {missing.iloc[0]}. A judgement of some of them would not be one of the test."
        )
    if "target" in told:
        wrong = both[both["target"] != both["emotion"]]
        if len(wrong):
            clip = wrong.iloc[0]
            raise RunError(f"{path} calls {clip.path} {clip.target}, the split {clip.emotion}.")
    if chances:
        labels = tuple(name.removeprefix("p_") for name in chances)
        logits = np.log(np.maximum(both[chances].to_numpy(dtype=np.float64), FLOOR))
    else:
        labels = tuple(sorted(set(both["emotion"]) | set(both["predicted"])))
        certain = np.eye(len(labels))[[labels.index(name) for name in both["predicted"]]]
        logits = np.log(np.maximum(certain, FLOOR))
    unknown = sorted(set(both["emotion"]) - set(labels))
    if unknown:
        raise RunError(f"{path} has no probability for {', '.join(unknown)}, which are tested.")
    table = both[["path", "corpus", "speaker", "emotion"]].assign(sex="")
    return ScoredPredictions(table, logits, labels)
