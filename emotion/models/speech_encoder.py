"""A head over a pretrained speech encoder: learned layer weights, frozen or fine-tuned."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from emotion.features.speech_encoder import EncoderLayers
from emotion.models.base import EmotionClassifier


class SpeechEncoderClassifier(EmotionClassifier):
    """Weighs the layers of a speech encoder and classifies their sum (as SUPERB does).

    Args:
        features: makes the encoder, given the three settings that follow; see `EncoderLayers`.
        pretrained: start from the published weights.
        weights: a local file of them instead.
        trainable: the encoder learns too.
        units: of the hidden layer.
        dropout: share of the hidden layer that is dropped in training.
        encoder_rate: the encoder's learning rate, as a share of the head's, where it learns.
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
        self.hidden = nn.Sequential(
            nn.LayerNorm(self.features.columns),
            nn.Linear(self.features.columns, units),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(units, len(self.labels))

    def load_initial_weights(self) -> None:
        """Load the encoder's weights."""
        self.features.load()

    def image(self, x: Tensor) -> Tensor:
        """Waves (B, T), or layers (B, 1, L, 2 · D) -> (B, 1, L, 2 · D)."""
        layers: Tensor = self.features(x) if x.ndim == 2 else x
        return layers

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, L, 2 · D) -> (B, units)."""
        share = self.layer_weights.softmax(dim=0)
        embedding: Tensor = self.hidden(torch.einsum("l,bld->bd", share, image[:, 0]))
        return embedding

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return head and encoder apart: the latter learns at a lower rate."""
        encoder = list(self.features.parameters())
        known = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [(rest, 1.0), (encoder, self.encoder_rate)]
