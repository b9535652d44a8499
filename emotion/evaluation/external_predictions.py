"""Predictions of other tools, read from a CSV file and checked against a split."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from emotion.data.labels import encode_labels
from emotion.data.segments import TIME_COLUMNS, clip_key, clip_names, read_times
from emotion.data.spellings import merge_spellings
from emotion.data.splits.base import TEST
from emotion.data.user_tables import read_numbers, read_user_table
from emotion.errors import RunError, SplitError
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.utils.names import match_names, match_paths, name_key

SPLIT_COLUMNS = ("path", "corpus", "speaker", "emotion", "subset")


def read_split(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return a split file with the labels and speakers of its clips, and notes on merged names.

    Raises:
        SplitError: the file is not such a table.
    """
    split = read_user_table(path, SplitError, columns=(*SPLIT_COLUMNS, *TIME_COLUMNS))
    lacking = sorted(set(SPLIT_COLUMNS).difference(split))
    if lacking:
        raise SplitError(f"{path} lacks {', '.join(lacking)}: intervals are over speakers.")
    split["subset"] = split["subset"].map(name_key)
    return merge_spellings(read_times(split, SplitError, path))


def read_predictions(path: Path, split: pd.DataFrame) -> ScoredPredictions:
    """Return the predictions of a tool for the test clips of a split.

    Args:
        path: a CSV with path and either p_<label>… (probabilities) or predicted (a label); a
            column target is checked against the split.
        split: the key, corpus, speaker, emotion and subset of every clip.

    Raises:
        RunError: a column is missing, or a test clip has no prediction or another target.
        SplitError: the split has no test clip.
    """
    if not path.is_file():
        raise RunError(f"the predictions file {path} does not exist.")
    table = read_user_table(path, RunError, columns=("path", "predicted", "target", *TIME_COLUMNS))
    table.columns = _probability_columns(table.columns, split["emotion"], path)
    columns = list(table.columns)
    probabilities = [name for name in columns if name.startswith("p_")]
    if "path" not in columns or not (probabilities or "predicted" in columns):
        raise RunError(
            f"{path} needs a column path, and either predicted or p_<label> for every label; "
            f"it has {', '.join(columns)}."
        )
    table["path"] = match_paths(table["path"], split["path"])
    for name in {"predicted", "target"}.intersection(columns):
        table[name] = match_names(table[name], split["emotion"])
    if not len(test := split[split["subset"] == TEST]):
        raise SplitError("the split file has no test clip. Write test into its column subset.")
    key = clip_key(test)
    if "start" in test:
        table = read_times(table, RunError, path)
        if "start" not in table:
            raise RunError(f"{path} needs the columns start and end: the split is of segments.")
    table = table.drop_duplicates(key, keep=False)
    both = test.merge(table, on=key, how="left", suffixes=("", "_theirs"), indicator=True)
    if len(missing := clip_names(both)[both["_merge"] == "left_only"]):
        raise RunError(
            f"{path} has no prediction, or several, for {len(missing)} of {len(test)} test clips, "
            f"such as {missing.iloc[0]}. Every test clip needs one row."
        )
    if "target" in table and len(wrong := both[both["target"] != both["emotion"]]):
        clip, name = wrong.iloc[0], clip_names(wrong).iloc[0]
        raise RunError(
            f"{name} has the target {clip.target} in {path} and {clip.emotion} in the split. "
            "Correct one of them."
        )
    if probabilities:
        labels = tuple(name.removeprefix("p_") for name in probabilities)
        p = np.stack([read_numbers(both[name], path, RunError) for name in probabilities], axis=1)
    else:
        labels = tuple(sorted(set(both["emotion"]) | set(both["predicted"])))
        p = np.eye(len(labels))[encode_labels(both["predicted"], labels)]
    if unknown := sorted(set(both["emotion"]) - set(labels)):
        raise RunError(f"{path} has no column p_<label> for the targets {', '.join(unknown)}.")
    clips = both[list(split)].assign(sex="")
    return ScoredPredictions(clips, np.log(np.maximum(p, 1e-12)), labels)  # 0 has no logarithm


def _probability_columns(names: Iterable[str], labels: Iterable[str], path: Path) -> list[str]:
    """Return the names of columns, with the labels of p_<label> in the spelling of the split."""
    columns = [
        f"p_{match_names([name[2:]], labels)[0]}" if name[:2].lower() == "p_" else name
        for name in names
    ]
    keys = [name_key(name) for name in columns]
    for name, key in zip(columns, keys, strict=True):
        if keys.count(key) > 1:
            raise RunError(f"{path} has several columns {name}. Remove all but one of them.")
    return columns
