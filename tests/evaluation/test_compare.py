"""Two systems are compared on their common clips, by speakers."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from emotion.errors import RunError
from emotion.evaluation.compare import compare_predictions


def predictions(correct: np.ndarray) -> pd.DataFrame:
    """Return a predictions table, correct where `correct`, (speakers, clips), is."""
    rows = [
        (
            f"{speaker}-{clip}",
            "x",
            f"s{speaker}",
            "ab"[clip % 2],
            "ab"[clip % 2 if hit else 1 - clip % 2],
        )
        for speaker, clips in enumerate(correct)
        for clip, hit in enumerate(clips)
    ]
    return pd.DataFrame(rows, columns=["path", "corpus", "speaker", "target", "predicted"])


def test_a_large_difference_is_found_and_a_tie_is_not_distinguishable() -> None:
    rng = np.random.default_rng(0)
    good, other, bad = (
        rng.random((8, 20)) < 0.9,
        rng.random((8, 20)) < 0.9,
        rng.random((8, 20)) < 0.5,
    )
    found = compare_predictions(predictions(good), predictions(bad), names=("good", "bad"))
    assert found.verdict == "good is better"
    assert found.p < 0.05
    assert found.difference == pytest.approx(good.mean() - bad.mean())
    assert (
        compare_predictions(predictions(good), predictions(other), names=("one", "other")).verdict
        == "not distinguishable"
    )


def test_clips_and_classes_are_matched_in_any_spelling() -> None:
    first = predictions(np.ones((3, 4))).replace({"a": "colère"})
    first["path"] += "é"
    second = first.apply(lambda column: column.map(lambda cell: unicodedata.normalize("NFD", cell)))
    second["predicted"] = second["predicted"].str.title()
    found = compare_predictions(first, second, names=("one", "other"))
    assert (found.n, found.difference) == (12, 0.0)


def test_only_shared_clips_are_compared_and_other_targets_refused() -> None:
    correct = np.ones((6, 20), dtype=bool)
    first, second = predictions(correct), predictions(correct)
    assert compare_predictions(first, second[second.speaker != "s0"], names=("a", "b")).n == 100
    with pytest.raises(RunError, match="share no test clip"):
        compare_predictions(first, second.assign(path="z" + second.path), names=("a", "b"))
    second.loc[0, "target"] = "b"
    with pytest.raises(RunError, match="0-0 has the target a in A and b in B"):
        compare_predictions(first, second, names=("A", "B"))
