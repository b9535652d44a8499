"""The test of a run: its metrics, predictions and temperature."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.run import Run
from tests.support.trained import Train


def test_metrics_equal_those_of_scikit_learn(finished: Run) -> None:
    table, test = finished.predictions, finished.metrics["test"]
    assert test["n"] == len(table)
    assert test["wa"] == pytest.approx(accuracy_score(table.target, table.predicted))
    assert test["uar"] == pytest.approx(balanced_accuracy_score(table.target, table.predicted))
    assert test["macro_f1"] == pytest.approx(
        f1_score(table.target, table.predicted, average="macro")
    )
    labels = sorted(finished.labels)
    probabilities = table[[f"p_{label}" for label in labels]].to_numpy()
    assert np.allclose(probabilities.sum(1), 1)
    assert test["calibration"]["loss"] == pytest.approx(
        log_loss(table.target, probabilities, labels=labels)
    )


def test_the_temperature_is_part_of_the_best_checkpoint(finished: Run) -> None:
    temperature = float(read_checkpoint(finished.best)["state_dict"]["temperature"])
    assert temperature != 1
    assert finished.metrics["test"]["calibration"]["temperature"] == pytest.approx(temperature)


def test_the_access_to_the_test_clips_is_recorded(finished: Run) -> None:
    assert str(finished.folder.resolve()) in finished.test_accesses


@pytest.mark.parametrize("word", ["split=all", "test=false"])
def test_a_run_without_test_clips_has_validation_metrics_only(train: Train, word: str) -> None:
    untested = train(word, "trainer.max_epochs=1")
    assert "test" not in untested.metrics
    assert untested.metrics["val"]["n"] > 0
    assert not (untested.folder / "predictions.csv").exists()
    assert str(untested.folder.resolve()) not in untested.test_accesses
    assert untested.finished
