"""Any PyTorch network as a classifier, set up by a YAML file without code."""

from typing import Any

from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class ModuleClassifier(EmotionClassifier):
    """Wraps an `nn.Module` that maps spectrograms, (B, channels, M, F), to logits, (B, C).

    Args:
        network: the module; its last layer has as many outputs as there are labels.
        channels: number of times that the one channel is repeated.
        **shared: see `EmotionClassifier`.
    """

    def __init__(self, *, network: nn.Module, channels: int = 1, **shared: Any) -> None:
        super().__init__(**shared)
        self.network, self.channels = network, channels
        self.head = nn.Identity()

    def network_input(self, image: Tensor) -> Tensor:
        """(B, 1, M, F) -> (B, channels, M, F)."""
        return image.expand(-1, self.channels, -1, -1)

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, M, F), (B,) -> (B, C): the logits take the place of the embedding."""
        logits: Tensor = self.network(self.network_input(image))
        return logits
