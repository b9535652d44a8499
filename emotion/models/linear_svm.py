"""The classic baseline: eGeMAPS functionals under a linear support vector machine."""

from typing import Any

import torch
from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class LinearSVM(EmotionClassifier):
    """One linear machine a class, with squared hinge loss and L2, as LIBLINEAR has it.

    Each figure is standardised by the training clips, whose mean and deviation are averaged over
    all batches of training.

    Args:
        penalty: of the squared weights.
        **shared: see `EmotionClassifier`.
    """

    normalisations = ("none",)

    def __init__(self, *, penalty: float = 1e-3, **shared: Any) -> None:
        super().__init__(normalise="none", **shared)
        self.penalty = penalty
        size = self.features.rows
        self.standardise = nn.BatchNorm1d(size, affine=False, momentum=None)
        self.head = nn.Linear(size, len(self.labels))

    def image(self, x: Tensor) -> Tensor:
        """Waves (B, T), or functionals (B, 1, 88, 1) -> (B, 1, 88, 1)."""
        return self.decibels(x)

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, 88, 1) -> (B, 88), standardised, outliers cut at ten deviations."""
        standardised: Tensor = self.standardise(image.flatten(1))
        return standardised.clamp(-10, 10)

    def criterion(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return squared hinge loss, one class against the rest, and L2; hidden ones cost none."""
        sign = 2 * nn.functional.one_hot(target, len(self.labels)) - 1
        hinge = (1 - sign * logits).clamp(min=0).square().sum(dim=1)
        weights = self.class_weights[target] if self.training else torch.ones_like(hinge)
        squares = sum(p.square().sum() for p in self.head.parameters())
        loss: Tensor = (weights * hinge).mean() + self.penalty * squares / 2
        return loss
