"""Networks made for pictures, from timm, that see a spectrogram as one."""

import functools
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from emotion.errors import ConfigError, ModelError
from emotion.models.base import EmotionClassifier
from emotion.utils.pretrained_weights import read_weights, take_weights


class TimmClassifier(EmotionClassifier):
    """A timm backbone under a new linear head.

    The one channel is repeated to three and shifted and scaled as the backbone's pictures were.

    Args:
        backbone: timm's name.
        pretrained: start from timm's published weights (fetched once, then kept by timm).
        weights: a local file of the backbone's weights instead: a timm state dict or safetensors.
        trainable: where weights were loaded, only the children with these prefixes learn, and the
            batch norm of all others stays as it was; None lets everything learn.
        **shared: see `EmotionClassifier`.
    """

    picture_mean: Tensor
    picture_deviation: Tensor

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
        self.name = backbone
        self.pretrained = pretrained
        self.weights = weights
        network: Any = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.backbone = network
        self.head = nn.Linear(network.head_hidden_size, len(self.labels))
        config = network.pretrained_cfg
        for key, name in (("mean", "picture_mean"), ("std", "picture_deviation")):
            value = torch.tensor(config[key]).view(1, 3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.frozen: list[nn.Module] = []
        if trainable is not None and (pretrained or weights):
            children = dict(self.backbone.named_children())
            self.frozen = [
                child for name, child in children.items() if not name.startswith(tuple(trainable))
            ]
        for child in self.frozen:
            child.requires_grad_(False)

    def train(self, mode: bool = True) -> "TimmClassifier":
        """Switch to training, but for what is frozen: its batch norm keeps its statistics."""
        super().train(mode)
        for child in self.frozen:
            child.eval()
        return self

    def load_initial_weights(self) -> None:
        """Load the backbone's weights from `weights`, else from timm's hub, else none.

        Raises:
            ModelError: the file does not fit, or the hub is out of reach.
        """
        if self.weights:
            state = read_weights(
                self.weights,
                functools.partial(timm.models.load_state_dict, weights_only=True),
                wanted="a timm state dict or a safetensors file",
            )
            take_weights(self.backbone, state, source=f"model.weights={self.weights}")
        elif self.pretrained:
            self._load_published()

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, M, F) -> (B, D)."""
        picture = (image.expand(-1, 3, -1, -1) - self.picture_mean) / self.picture_deviation
        embedding: Tensor = self.backbone(picture)
        return embedding

    def _load_published(self) -> None:
        try:
            timm.models.load_pretrained(self.backbone, num_classes=0)
        except Exception as err:  # the hub's client raises whatever its transport does
            raise ModelError(
                f"the published weights of {self.name} cannot be fetched ({type(err).__name__}). "
                "Set model.pretrained=false to start from scratch, or model.weights=FILE to a "
                "local timm state dict or safetensors file."
            ) from err
