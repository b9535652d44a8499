"""An ensemble's predictions are the mean of its members'."""

import numpy as np
import pandas as pd
import pytest

from emotion.errors import RunError
from emotion.evaluation.ensemble import mean_predictions


def member(probabilities: list[list[float]], paths: str = "xyz") -> pd.DataFrame:
    """Return predictions of three clips whose classes are `very sad` and `b`."""
    p = np.array(probabilities)
    classes = np.array(["very sad", "b"], dtype=object)
    return pd.DataFrame(
        {
            "path": list(paths),
            "corpus": "c",
            "speaker": "s",
            "target": "b",
            "predicted": classes[p.argmax(axis=1)],
            "p_very sad": p[:, 0],
            "p_b": p[:, 1],
        }
    )


def test_a_confident_member_outvotes_two_uncertain_ones() -> None:
    uncertain = [[0.55, 0.45], [0.2, 0.8], [0.5, 0.5]]
    confident = [[0.1, 0.9], [0.9, 0.1], [0.6, 0.4]]
    ensemble = mean_predictions([member(uncertain), member(uncertain), member(confident)])
    assert list(ensemble["predicted"]) == ["b", "b", "very sad"]
    assert np.allclose(ensemble["p_b"], np.mean([uncertain, uncertain, confident], axis=0)[:, 1])
    assert list(ensemble.columns) == list(member(confident).columns)


def test_members_are_matched_by_path_not_by_order() -> None:
    first = member([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    second = first.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(mean_predictions([first, second]), first)


def test_members_of_other_clips_or_classes_are_refused() -> None:
    first = member([[0.9, 0.1]] * 3)
    for other in (member([[0.9, 0.1]] * 3, paths="xyw"), first.rename(columns={"p_b": "p_c"})):
        with pytest.raises(RunError, match="the same clips and classes"):
            mean_predictions([first, other])
