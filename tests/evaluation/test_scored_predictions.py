"""Metrics and predictions tables are made from logits."""

import json

import numpy as np
import pandas as pd
import pytest

from emotion.evaluation.scored_predictions import ScoredPredictions
from tests.support.labelled_clips import labelled_clips

LABELS = ("sad", "angry", "happy")


def scored() -> ScoredPredictions:
    """Return random predictions of clips of six speakers, who have no happy clip."""
    table = labelled_clips().assign(sex=lambda clips: np.where(clips["speaker"] == "s0", "", "f"))
    logits = np.random.default_rng(0).normal(size=(len(table), len(LABELS)))
    return ScoredPredictions(table, logits, LABELS)


def test_predictions_are_the_most_probable_labels() -> None:
    table = scored().predictions(2.0)
    assert list(table)[:5] == ["path", "corpus", "speaker", "target", "predicted"]
    probabilities = table[[f"p_{label}" for label in LABELS]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(table["predicted"], np.array(LABELS)[probabilities.argmax(1)])


def test_metrics_agree_with_the_table_and_survive_json() -> None:
    metrics, table = scored().metrics(2.0), scored().predictions(2.0)
    assert json.loads(json.dumps(metrics)) == metrics | {"absent": ["happy"]}
    correct = table["target"] == table["predicted"]
    assert metrics["wa"] == pytest.approx(correct.mean())
    assert metrics["recall"]["sad"] == pytest.approx(correct[table["target"] == "sad"].mean())
    p = table[[f"p_{label}" for label in LABELS]].to_numpy()
    likelihood = p[np.arange(len(p)), scored().target]
    assert metrics["calibration"]["loss"] == pytest.approx(-np.log(likelihood).mean())
    assert metrics["interval"]["speakers"] == 6
    assert np.sum(metrics["confusion"]) == metrics["n"] == len(table)


def test_groups_are_scored_apart_and_unnamed_ones_left_out() -> None:
    metrics = scored().metrics(1.0)
    assert set(metrics["by_sex"]) == {"f"}
    assert set(metrics["by_speaker"]) == {f"x/s{n}" for n in range(6)}
    assert sum(group["n"] for group in metrics["by_speaker"].values()) == metrics["n"]
    own = scored().table["speaker"] == "s3"
    part = ScoredPredictions(scored().table[own], scored().logits[own], LABELS).metrics(1.0)
    assert metrics["by_speaker"]["x/s3"] == {key: part[key] for key in ("uar", "wa", "n")}


def test_a_certain_error_has_a_finite_loss() -> None:
    table = pd.DataFrame({"emotion": ["sad"]})
    assert np.isfinite(ScoredPredictions(table, np.array([[-1e4, 0.0, 0.0]]), LABELS).loss(1.0))
