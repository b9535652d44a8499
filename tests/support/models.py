"""Untrained models of any configuration, and tiny speech encoders in place of published ones."""

from typing import Any

import torch
import torchaudio
from torch import Tensor

from emotion.config.composition import compose
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model

RATE = 16_000

ENCODER_SHAPE: dict[str, Any] = {
    "extractor_conv_layer_config": [(8, 10, 5), (8, 8, 4), (8, 4, 4)],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 16,
    "encoder_projection_dropout": 0.1,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 2,
    "encoder_num_layers": 2,
    "encoder_num_heads": 2,
    "encoder_attention_dropout": 0.1,
    "encoder_ff_interm_features": 32,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.1,
    "encoder_layer_norm_first": False,
    "encoder_layer_drop": 0.0,
    "aux_num_out": None,
}


def make_model(*overrides: str, **training: Any) -> EmotionClassifier:
    """Return the untrained model of a composition of `train`, always with the same weights."""
    settings = compose("train", overrides).settings
    torch.manual_seed(0)
    return build_model(settings.model, settings.labels, **training)


def full_lengths(x: Tensor) -> Tensor:
    """Return the lengths of waves, (B, T), without padding, or enough samples for images: (B,)."""
    return torch.full((len(x),), x.shape[1] if x.ndim == 2 else 1_000_000)


def padded_noise(*lengths: int) -> tuple[Tensor, Tensor]:
    """Return clips of noise, (B, T), zero beyond each length, and the lengths, (B,)."""
    waves = torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(0))
    for wave, length in zip(waves, lengths, strict=True):
        wave[length:] = 0
    return waves, torch.tensor(lengths)


def tiny_encoder(kind: str = "wav2vec2") -> torch.nn.Module:
    """Return a random encoder of two layers of 16 units: wav2vec2, large (its norms) or wavlm."""
    mode = "layer_norm" if kind == "large" else "group_norm"
    if kind == "wavlm":
        shape = ENCODER_SHAPE | {"encoder_num_buckets": 32, "encoder_max_distance": 80}
        return torchaudio.models.wavlm_model(extractor_mode=mode, **shape)
    return torchaudio.models.wav2vec2_model(extractor_mode=mode, **ENCODER_SHAPE)
