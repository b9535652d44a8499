"""torchaudio's speech encoders over clips that differ in length: padding changes no clip's layers.

Its own `extract_features` lets padding into the statistics of the first convolution (of the base
encoders), and refuses lengths for WavLM.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.models.wav2vec2.wavlm_attention import WavLMSelfAttention

from emotion.features.padding import inside

FAR = -10_000.0
"""Added to the attention that padding gets."""


def encode_layers(network: Any, wave: Tensor, length: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return what each layer of an encoder makes of clips, and the frames that are a clip's own.

    Args:
        network: one of torchaudio's encoders.
        wave: (B, T), zero in the padding.
        length: samples of each clip, (B,), at least those of the encoder's first window.

    Returns:
        As many tensors as there are layers, each (B, F, D), and the frames, (B,).
    """
    x = wave[:, None]
    frames = length
    for block in network.feature_extractor.conv_layers:
        x = block.conv(x)  # (B, D, F)
        frames = torch.div(frames - block.kernel_size, block.stride, rounding_mode="floor") + 1
        if isinstance(block.layer_norm, nn.GroupNorm):
            x = normalise_channels(x, frames, block.layer_norm)
        elif block.layer_norm is not None:
            x = block.layer_norm(x)
        x = nn.functional.gelu(x)
    own = inside(frames, x.shape[-1])  # (B, F)
    x = network.encoder.feature_projection(x.transpose(1, 2)) * own[:, :, None]
    transformer = network.encoder.transformer
    x = transformer._preprocess(x)
    bias, layers = None, []
    for layer in transformer.layers:
        x, bias = layer(x, position_bias=bias, **_mask(layer.attention, own))
        layers.append(x)
    return layers, frames


def normalise_channels(x: Tensor, frames: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Return each channel shifted and scaled by its figures over a clip's own frames.

    Args:
        x: (B, D, F).
        frames: of each clip, (B,).
        norm: of one channel a group, whose weights and epsilon count.
    """
    own = inside(frames, x.shape[-1])[:, None]  # (B, 1, F)
    count = frames[:, None, None]
    centred = (x - (x * own).sum(dim=-1, keepdim=True) / count) * own
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    scaled = centred / (variance + norm.eps).sqrt()
    return scaled * norm.weight[:, None] + norm.bias[:, None]


def _mask(attention: nn.Module, own: Tensor) -> dict[str, Tensor]:
    """Return what hides padding from a layer's attention, by the name that this one has for it."""
    hidden = FAR * (~own).float()
    if isinstance(attention, WavLMSelfAttention):
        return {"key_padding_mask": hidden}
    batch, frames = own.shape
    return {"attention_mask": hidden[:, None, None, :].expand(batch, 1, frames, frames)}
