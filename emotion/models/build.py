"""Builds a model from its node of the settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emotion.config.build import build
from emotion.config.schema import Node

if TYPE_CHECKING:
    from emotion.models.base import EmotionClassifier


def build_model(node: Node, labels: Sequence[str], **training: Any) -> "EmotionClassifier":
    """Return a model with its initial, untrained weights, from the settings `model`.

    `training` are further arguments of `EmotionClassifier`, such as the optimizer.

    Raises:
        ConfigError: the node's class does not exist, or does not take its settings.
    """
    model: EmotionClassifier = build(node, "model", labels=list(labels), **training)
    return model
