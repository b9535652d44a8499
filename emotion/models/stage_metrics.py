"""Metrics of one stage, training or validation, accumulated over an epoch."""

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from emotion.metrics.classification import accuracy, macro_f1, uar


class StageMetrics(nn.Module):
    """Mean loss and confusion matrix; summed over all processes where they are read."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.confusion = MulticlassConfusionMatrix(classes, validate_args=False)
        self.loss = MeanMetric(nan_strategy="disable")

    def update(self, logits: Tensor, target: Tensor, loss: Tensor) -> None:
        """Add a batch: logits (B, C), targets (B,) and their mean loss ()."""
        self.confusion.update(logits.detach(), target)
        self.loss.update(loss.detach(), len(target))

    def pop(self) -> dict[str, float]:
        """Return loss, uar, wa and macro_f1, and start again from zero."""
        confusion, loss = self.confusion.compute().cpu().numpy(), float(self.loss.compute())
        self.confusion.reset()
        self.loss.reset()
        scores = {"uar": uar, "wa": accuracy, "macro_f1": macro_f1}
        return {"loss": loss} | {name: float(each(confusion)) for name, each in scores.items()}

    def counts(self) -> list[dict[str, Any]]:
        """Return the accumulated counts of all processes, for a checkpoint within an epoch."""
        states = []
        for metric in (self.confusion, self.loss):
            with metric.sync_context():
                states.append(copy.deepcopy(metric.metric_state))
        return states

    def load_counts(self, states: Sequence[dict[str, Any]]) -> None:
        """Continue from counts that `counts` returned."""
        for metric, state in zip((self.confusion, self.loss), states, strict=True):
            metric.load_state_dict(state)
