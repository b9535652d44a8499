"""An ensemble's predictions are the mean of its members'."""

import numpy as np
import pandas as pd
import pytest

from emotion.errors import RunError
from emotion.evaluation.ensemble import mean_predictions


def member(chances: list[list[float]], paths: str = "xyz") -> pd.DataFrame:
    """Return predictions of three clips whose classes are `very sad` and `b`."""
    p = np.array(chances)
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


def test_a_sure_member_outvotes_two_that_are_not() -> None:
    unsure = [[0.55, 0.45], [0.2, 0.8], [0.5, 0.5]]
    sure = [[0.1, 0.9], [0.9, 0.1], [0.6, 0.4]]
    together = mean_predictions([member(unsure), member(unsure), member(sure)])
    assert list(together["predicted"]) == ["b", "b", "very sad"]
    assert np.allclose(together["p_b"], np.mean([unsure, unsure, sure], axis=0)[:, 1])
    assert list(together.columns) == list(member(sure).columns)


def test_members_are_matched_by_clip_not_by_place() -> None:
    first = member([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    second = first.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(mean_predictions([first, second]), first)


def test_members_of_other_clips_or_classes_are_refused() -> None:
    first = member([[0.9, 0.1]] * 3)
    for other in (member([[0.9, 0.1]] * 3, paths="xyw"), first.rename(columns={"p_b": "p_c"})):
        with pytest.raises(RunError, match="the same clips and classes"):
            mean_predictions([first, other])
