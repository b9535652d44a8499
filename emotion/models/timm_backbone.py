"""Image classification networks from timm, applied to spectrograms."""

import functools
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from emotion.errors import ConfigError, ModelError
from emotion.models.base import EmotionClassifier
from emotion.utils.pretrained_weights import load_matching_weights, load_state_dict_file


class TimmClassifier(EmotionClassifier):
    """A timm backbone with a new linear head.

    The one channel is repeated to three, normalised as the images of the backbone's training were.

    Args:
        backbone: timm's name.
        pretrained: start from timm's published weights (downloaded once, then cached by timm).
        weights: local file to load instead, a timm state dict or safetensors.
        trainable: prefixes of the children that are fine-tuned where weights are loaded; all others
            are frozen, with the statistics of their batch norms. None fine-tunes all.
        **shared: see `EmotionClassifier`.
    """

    image_mean: Tensor
    image_deviation: Tensor

    def __init__(
        self,
        *,
        backbone: str,
        pretrained: bool,
        weights: str | None = None,
        trainable: Sequence[str] | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        if not timm.is_model(backbone):
            raise ConfigError(f"timm has no model {backbone!r}. See timm.list_models().")
        self.name, self.pretrained, self.weights = backbone, pretrained, weights
        network: Any = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.backbone = network
        self.head = nn.Linear(network.head_hidden_size, len(self.labels))
        for key, name in (("mean", "image_mean"), ("std", "image_deviation")):
            value = torch.tensor(network.pretrained_cfg[key]).view(1, 3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.frozen: list[nn.Module] = []
        if trainable is not None and (pretrained or weights):
            kept = tuple(trainable)
            children = network.named_children()
            self.frozen = [child for name, child in children if not name.startswith(kept)]
        for child in self.frozen:
            child.requires_grad_(False)

    def train(self, mode: bool = True) -> "TimmClassifier":
        """Set the training mode; frozen children stay in evaluation mode."""
        super().train(mode)
        for child in self.frozen:
            child.eval()
        return self

    def load_initial_weights(self) -> None:
        """Load the backbone's weights from `weights`, else, with `pretrained`, from timm's hub.

        Raises:
            ModelError: the file does not fit, or the weights cannot be downloaded.
        """
        if self.weights:
            read = functools.partial(timm.models.load_state_dict, weights_only=True)
            expected = "a timm state dict or a safetensors file"
            state = load_state_dict_file(self.weights, read, expected=expected)
            load_matching_weights(self.backbone, state, source=f"model.weights={self.weights}")
        elif self.pretrained:
            try:
                timm.models.load_pretrained(self.backbone, num_classes=0)
            except Exception as err:  # the hub's client raises whatever its transport does
                raise ModelError(
                    f"the published weights of {self.name} cannot be downloaded "
                    f"({type(err).__name__}). Set model.pretrained=false to start from scratch, or "
                    "model.weights=FILE to a local timm state dict or safetensors file."
                ) from err

    def network_input(self, image: Tensor) -> Tensor:
        """(B, 1, M, F) -> (B, 3, M, F)."""
        return (image.expand(-1, 3, -1, -1) - self.image_mean) / self.image_deviation

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        embedding: Tensor = self.backbone(self.network_input(image))
        return embedding
