"""A pretrained speech encoder, frozen or fine-tuned, with learned layer weights and a head."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from emotion.features.speech_encoder import EncoderLayers
from emotion.models.base import EmotionClassifier


class SpeechEncoderClassifier(EmotionClassifier):
    """Classifies the weighted sum of the layers of a speech encoder, as SUPERB does.

    Args:
        features: factory of the encoder from `pretrained`, `weights` (a local file to load instead)
            and `trainable` (fine-tune the encoder); see `EncoderLayers`.
        units: of the hidden layer.
        dropout: fraction of the hidden layer that is dropped in training.
        encoder_rate: factor of the learning rate for the encoder, where it is fine-tuned.
        **shared: see `EmotionClassifier`.
    """

    normalisations = ("none",)

    features: EncoderLayers

    def __init__(
        self,
        *,
        features: Callable[..., EncoderLayers],
        pretrained: bool = True,
        weights: str | None = None,
        trainable: bool = False,
        units: int = 256,
        dropout: float = 0.2,
        encoder_rate: float = 0.01,
        **shared: Any,
    ) -> None:
        layers = features(pretrained=pretrained, weights=weights, trainable=trainable)
        super().__init__(normalise="none", features=layers, **shared)
        self.encoder_rate = encoder_rate
        self.layer_weights = nn.Parameter(torch.zeros(self.features.rows))
        size = self.features.columns
        self.hidden = nn.Sequential(
            nn.LayerNorm(size), nn.Linear(size, units), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(units, len(self.labels))

    def load_initial_weights(self) -> None:
        self.features.load()

    def compute_features(self, x: Tensor, length: Tensor) -> Tensor:
        """Waves (B, T), (B,) or layers (B, 1, L, 2 · D) -> (B, 1, L, 2 · D); autocast allowed."""
        layers: Tensor = self.features(x, length) if x.ndim == 2 else x
        return layers

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, L, 2 · D), (B,) -> (B, units)."""
        weight = self.layer_weights.softmax(dim=0)
        embedding: Tensor = self.hidden(torch.einsum("l,bld->bd", weight, image[:, 0]))
        return embedding

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return the head and the encoder, which has a lower learning rate."""
        encoder = list(self.features.parameters())
        named = self.named_parameters()
        others = [weight for name, weight in named if not name.startswith("features.")]
        return [(others, 1.0), (encoder, self.encoder_rate)]
