"""Classic baseline: a linear support vector machine over eGeMAPS functionals."""

from typing import Any

import torch
from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class LinearSVM(EmotionClassifier):
    """One linear classifier per class, with squared hinge loss and L2 penalty as in LIBLINEAR.

    Each functional is standardised by mean and deviation of the training clips, averaged over all
    training batches.

    Args:
        penalty: weight of the L2 penalty.
        **shared: see `EmotionClassifier`.
    """

    normalisations = ("none",)

    def __init__(self, *, penalty: float = 1e-3, **shared: Any) -> None:
        super().__init__(normalise="none", **shared)
        self.penalty = penalty
        size = self.features.rows
        self.standardise = nn.BatchNorm1d(size, affine=False, momentum=None)
        self.head = nn.Linear(size, len(self.labels))

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, 88, 1), (B,) -> (B, 88), standardised, outliers clipped at ten deviations."""
        standardised: Tensor = self.standardise(image.flatten(1))
        return standardised.clamp(-10, 10)

    def criterion(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return squared hinge loss, one class against the rest, plus L2; hidden classes add 0."""
        sign = 2 * nn.functional.one_hot(target, len(self.labels)) - 1
        hinge = (1 - sign * logits).clamp(min=0).square().sum(dim=1)
        weights = self.class_weights[target] if self.training else torch.ones_like(hinge)
        squares = sum(p.square().sum() for p in self.head.parameters())
        loss: Tensor = (weights * hinge).mean() + self.penalty * squares / 2
        return loss
