"""Predictions on the subsets of a dataset."""

from dataclasses import replace

import pytest
import torch

from emotion.config.schema import TrainSettings
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import TEST, TRAIN, VAL
from emotion.data.splits.protocols import FileSplit
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from emotion.training.collect_predictions import predict_subsets
from emotion.training.lightning_trainer import build_predicting_trainer, quiet_lightning


def open_data(run: Run, settings: TrainSettings) -> EmotionDataModule:
    protocol = FileSplit(path=str(run.folder / "split.csv"))
    data = build_datamodule(settings, protocol=protocol)
    data.setup()
    data.place_on(torch.device("cpu"))
    return data


def predict(run: Run, data: EmotionDataModule, *subsets: str) -> dict[str, ScoredPredictions]:
    trainer = build_predicting_trainer(accelerator="cpu", precision="32-true")
    with quiet_lightning():
        return predict_subsets(trainer, open_model(run), data, subsets=subsets)


@pytest.mark.parametrize("subsets", [(VAL, TEST), (VAL,), (TRAIN,)])
def test_every_clip_of_the_chosen_subsets_is_predicted_and_no_other(
    finished: Run, subsets: tuple[str, ...]
) -> None:
    found = predict(finished, open_data(finished, finished.settings), *subsets)
    assert set(found) == set(subsets)
    for subset, scored in found.items():
        expected = finished.split["path"][finished.split["subset"] == subset]
        assert list(scored.table["path"]) == list(expected)
        assert scored.logits.shape == (len(expected), len(finished.labels))
        assert torch.isfinite(torch.from_numpy(scored.logits)).all()


def test_a_subset_without_clips_has_no_predictions(finished: Run) -> None:
    data = open_data(finished, finished.settings)
    data.rows[TEST] = data.rows[TEST][:0]
    assert set(predict(finished, data, VAL, TEST)) == {VAL}
    assert predict(finished, data, TEST) == {}


def test_the_storage_of_clips_changes_no_metric(finished: Run) -> None:
    scored = []
    for storage in ("int16", "float32"):
        preprocessing = {**finished.settings.preprocessing, "storage": storage}
        data = open_data(finished, replace(finished.settings, preprocessing=preprocessing))
        assert data.cache.dtype == storage
        scored.append(predict(finished, data, TEST)[TEST])
    assert abs(scored[0].logits - scored[1].logits).max() < 1e-2
    metrics = [each.metrics(1.0) for each in scored]
    assert metrics[0]["uar"] == metrics[1]["uar"]
    assert metrics[0]["wa"] == metrics[1]["wa"]
