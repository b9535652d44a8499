import pytest
import torch

from emotion.models.stage_metrics import StageMetrics


def fill(metrics: StageMetrics) -> None:
    logits = torch.tensor([[2.0, 0], [2, 0], [0, 2], [2, 0]])
    metrics.update(logits, torch.tensor([0, 0, 1, 1]), torch.tensor(0.5))
    metrics.update(logits, torch.tensor([0, 0, 0, 0]), torch.tensor(2.0))


def test_metrics_cover_all_batches_and_start_again() -> None:
    metrics = StageMetrics(2)
    fill(metrics)
    values = metrics.pop()
    assert values["loss"] == pytest.approx(1.25)
    assert values["uar"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert values["wa"] == pytest.approx(6 / 8)
    assert metrics.confusion.confmat.sum() == 0


def test_counts_continue_in_other_metrics() -> None:
    metrics, resumed = StageMetrics(2), StageMetrics(2)
    fill(metrics)
    resumed.load_counts(metrics.counts())
    assert resumed.pop() == metrics.pop()
