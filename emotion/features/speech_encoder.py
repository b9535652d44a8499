"""What the layers of a speech encoder make of a clip, averaged over its time."""

import functools
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

from emotion.errors import ConfigError, ModelError
from emotion.features.base import Features, wave_lengths
from emotion.features.speech_encoder_layers import encode_layers
from emotion.utils.pretrained_weights import read_weights, take_weights

RATE = 16_000
SHORTEST = 400
"""Samples of the encoders' first window: shorter clips are padded to it."""


class EncoderLayers(Features):
    """Mean and deviation over time of every layer's output: (B, T) -> (B, 1, layers, 2 · D).

    Args:
        sample_rate: of the waves; the encoders know 16 kHz only.
        network: one of torchaudio's encoders, such as `torchaudio.models.hubert_base()`.
        bundle: the published weights that fit it, by torchaudio's name, such as HUBERT_BASE.
        pretrained: start from these weights (fetched once, then kept by torch.hub).
        weights: a local file of them instead: a state dict of `network`.
        normalise_wave: shift and scale each clip to mean 0, deviation 1, as the large encoders
            were trained.
        trainable: the encoder learns too, its convolutional front excepted; nothing is cached.
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
        if sample_rate != RATE:
            raise ConfigError(
                f"speech encoders hear 16,000 Hz, not {sample_rate:,}. "
                "Take preprocessing=speech_16k."
            )
        self.sample_rate = sample_rate
        self.network = network
        self.bundle = bundle
        self.pretrained = pretrained
        self.weights = weights
        self.normalise_wave = normalise_wave
        self.trainable = trainable
        self.cacheable = not trainable
        encoder: Any = network.encoder
        self.rows = len(encoder.transformer.layers)
        self.columns = 2 * encoder.feature_projection.projection.out_features
        self.network.requires_grad_(trainable)
        front: Any = network.feature_extractor
        front.requires_grad_(False)

    @property
    def settings(self) -> dict[str, object]:
        """What the outputs depend on: which network, with which weights."""
        loaded = str(Path(self.weights).expanduser().resolve()) if self.weights else self.bundle
        shape = {name: list(value.shape) for name, value in self.network.state_dict().items()}
        return {
            "encoder": loaded if self.weights or self.pretrained else "random",
            "shape": shape,
            "normalise_wave": self.normalise_wave,
        }

    def train(self, mode: bool = True) -> "EncoderLayers":
        """Switch to training; a frozen encoder stays as it was."""
        super().train(mode and self.trainable)
        return self

    def load(self) -> None:
        """Load the encoder's weights from `weights`, else the published ones, else none.

        Raises:
            ModelError: the file does not fit, or the published weights are out of reach.
        """
        if self.weights:
            state = read_weights(
                self.weights,
                functools.partial(torch.load, map_location="cpu", weights_only=True),
                wanted="a state dict of the torchaudio encoder",
            )
            take_weights(self.network, state, source=f"model.weights={self.weights}")
        elif self.pretrained:
            self._load_published()

    def forward(self, wave: Tensor) -> Tensor:
        """(B, T) -> (B, 1, layers, 2 · D)."""
        length = wave_lengths(wave).clamp(min=SHORTEST)
        wave = nn.functional.pad(wave, (0, SHORTEST))
        if self.normalise_wave:
            inside = torch.arange(wave.shape[1], device=wave.device) < length[:, None]
            mean = wave.sum(dim=1) / length
            centred = (wave - mean[:, None]) * inside
            deviation = (centred.square().sum(dim=1) / length + 1e-5).sqrt()
            wave = centred / deviation[:, None]
        layers, frames = encode_layers(self.network, wave, length)
        own = torch.arange(layers[0].shape[1], device=wave.device) < frames[:, None]
        share = (own / frames[:, None])[:, :, None]  # (B, F, 1)
        pooled = []
        for layer in layers:
            mean = (layer * share).sum(dim=1)
            variance = ((layer - mean[:, None]).square() * share).sum(dim=1)
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
                f"the published weights of {self.bundle} cannot be fetched "
                f"({type(err).__name__}). Set model.weights=FILE to a local state dict of the "
                "torchaudio encoder, or model.pretrained=false to start from random ones."
            ) from err
        state = {name.removeprefix("model."): value for name, value in state.items()}
        take_weights(self.network, state, source=self.bundle)
