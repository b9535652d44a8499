"""Any PyTorch network as a classifier: a YAML names it, no code is written."""

from typing import Any

from torch import Tensor, nn

from emotion.models.base import EmotionClassifier


class ModuleClassifier(EmotionClassifier):
    """Wraps an `nn.Module` that maps spectrograms, (B, channels, M, F), to logits, (B, C).

    Args:
        network: the module; its last layer has as many outputs as there are labels.
        channels: how often the one channel is repeated.
        **shared: see `EmotionClassifier`.
    """

    def __init__(self, *, network: nn.Module, channels: int = 1, **shared: Any) -> None:
        super().__init__(**shared)
        self.network = network
        self.channels = channels
        self.head = nn.Identity()

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, M, F) -> (B, C): the embedding of an unknown network is its logits."""
        logits: Tensor = self.network(image.expand(-1, self.channels, -1, -1))
        return logits
