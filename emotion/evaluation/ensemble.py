"""Ensemble of runs: the mean of their probabilities."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emotion.data.segments import clip_names
from emotion.errors import RunError


def mean_predictions(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the predictions of an ensemble: mean probabilities, and the most probable class.

    The tables have the same clips and classes, in any order.

    Raises:
        RunError: the clips or the classes differ.
    """
    first = tables[0]
    probabilities = [str(name) for name in first if str(name).startswith("p_")]
    clips = clip_names(first).tolist()
    indexed = [table.set_index(clip_names(table)) for table in tables]
    for table in indexed[1:]:
        same = set(table.index) == set(clips) and len(table) == len(first)
        if not same or [name for name in table if str(name).startswith("p_")] != probabilities:
            raise RunError(
                "the members of an ensemble must have the same clips and classes. "
                "Choose runs with the same split and the same dataset.labels."
            )
    aligned = [table.loc[clips, probabilities].to_numpy() for table in indexed]
    mean = np.mean(aligned, axis=0)
    names = np.array([name.removeprefix("p_") for name in probabilities], dtype=object)
    ensemble = first.assign(predicted=names[mean.argmax(axis=1)])
    ensemble[probabilities] = mean
    return ensemble
