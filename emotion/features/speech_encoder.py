"""Outputs of the layers of a pretrained speech encoder, averaged over time."""

import functools
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

from emotion.errors import ConfigError, ModelError
from emotion.features.base import Features
from emotion.features.padding import mask_padding, sequence_mask
from emotion.features.speech_encoder_layers import encode_layers
from emotion.utils.pretrained_weights import load_matching_weights, load_state_dict_file

MIN_SAMPLES = 400
"""Receptive field of the convolutions: shorter clips are padded to it."""


class EncoderLayers(Features):
    """Mean and deviation over time of every layer's output: (B, T) -> (B, 1, layers, 2 · D).

    Args:
        sample_rate: of the waves; the encoders were trained at 16 kHz only.
        network: one of torchaudio's encoders, such as `torchaudio.models.hubert_base()`.
        bundle: torchaudio's name of the published weights of it, such as HUBERT_BASE.
        pretrained: start from these weights (downloaded once, then cached by torch.hub).
        weights: local file to load instead, a state dict of `network`.
        normalise_wave: shift and scale each clip to mean 0, deviation 1, as the large encoders
            were trained.
        trainable: fine-tune the encoder, except its convolutions; features are then not cached.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        network: nn.Module,
        bundle: str,
        pretrained: bool = True,
        weights: str | None = None,
        normalise_wave: bool = False,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        if sample_rate != 16_000:
            raise ConfigError(
                f"speech encoders need preprocessing.sample_rate=16000, not {sample_rate}. "
                "Set preprocessing=speech_16k."
            )
        self.sample_rate, self.normalise_wave = sample_rate, normalise_wave
        self.network, self.bundle = network, bundle
        self.pretrained, self.weights = pretrained, weights
        self.trainable, self.cacheable = trainable, not trainable
        encoder: Any = network.encoder
        self.rows = len(encoder.transformer.layers)
        self.columns = 2 * encoder.feature_projection.projection.out_features
        self.network.requires_grad_(trainable)
        network.get_submodule("feature_extractor").requires_grad_(False)

    @property
    def settings(self) -> dict[str, object]:
        loaded = str(Path(self.weights).expanduser().resolve()) if self.weights else self.bundle
        encoder = loaded if self.weights or self.pretrained else "random"
        shape = {name: list(value.shape) for name, value in self.network.state_dict().items()}
        return {"encoder": encoder, "shape": shape, "normalise_wave": self.normalise_wave}

    def train(self, mode: bool = True) -> "EncoderLayers":
        """Set the training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode and self.trainable)
        return self

    def load(self) -> None:
        """Load the encoder's weights from `weights`, else, with `pretrained`, the published ones.

        Raises:
            ModelError: the file does not fit, or the published weights cannot be downloaded.
        """
        if self.weights:
            read = functools.partial(torch.load, map_location="cpu", weights_only=True)
            expected = "a state dict of the torchaudio encoder"
            state = load_state_dict_file(self.weights, read, expected=expected)
            load_matching_weights(self.network, state, source=f"model.weights={self.weights}")
        elif self.pretrained:
            self._load_published()

    def forward(self, wave: Tensor, length: Tensor) -> Tensor:
        """(B, T), (B,) -> (B, 1, layers, 2 · D)."""
        length = length.clamp(min=MIN_SAMPLES)
        wave = nn.functional.pad(wave, (0, MIN_SAMPLES))
        if self.normalise_wave:
            mean = wave.sum(dim=1) / length
            centred = mask_padding(wave - mean[:, None], length)
            deviation = (centred.square().sum(dim=1) / length + 1e-5).sqrt()
            wave = centred / deviation[:, None]
        layers, frames = encode_layers(self.network, wave, length)
        mask = sequence_mask(frames, layers[0].shape[1])
        weight = (mask / frames[:, None])[:, :, None]  # (B, F, 1)
        pooled = []
        for layer in layers:
            mean = (layer * weight).sum(dim=1)
            variance = ((layer - mean[:, None]).square() * weight).sum(dim=1)
            pooled.append(torch.cat([mean, (variance + 1e-8).sqrt()], dim=-1))
        return torch.stack(pooled, dim=1)[:, None]

    def _load_published(self) -> None:
        published = getattr(torchaudio.pipelines, self.bundle, None)
        if published is None:
            raise ConfigError(f"torchaudio.pipelines has no {self.bundle}.")
        try:
            state = published.get_model().state_dict()
        except Exception as err:  # the download raises whatever its transport does
            raise ModelError(
                f"the published weights of {self.bundle} cannot be downloaded "
                f"({type(err).__name__}). Set model.weights=FILE to a local state dict of the "
                "torchaudio encoder, or model.pretrained=false to start from random ones."
            ) from err
        state = {name.removeprefix("model."): value for name, value in state.items()}
        load_matching_weights(self.network, state, source=self.bundle)
