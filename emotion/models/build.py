"""Builds a model from a composition."""

from typing import TYPE_CHECKING, Any

from emotion.config.composition import Config

if TYPE_CHECKING:
    from emotion.models.base import EmotionClassifier


def build_model(config: Config, **training: Any) -> "EmotionClassifier":
    """Return the model that a composition describes, its weights not yet loaded."""
    model: EmotionClassifier = config.build("model", labels=config["dataset.labels"], **training)
    return model
