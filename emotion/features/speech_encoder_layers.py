"""Layer outputs of torchaudio's speech encoders, independent of the padding of a batch.

torchaudio's own `extract_features` includes padding in the statistics after the first convolution
(in the base encoders) and does not accept lengths for WavLM.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.models.wav2vec2.wavlm_attention import WavLMSelfAttention

from emotion.features.padding import sequence_mask


def encode_layers(network: Any, wave: Tensor, length: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the outputs of all layers, (B, F, D) each, and the frames of each clip, (B,).

    Args:
        network: one of torchaudio's encoders.
        wave: (B, T), zero in the padding.
        length: samples of each clip, (B,), at least the receptive field of the convolutions.
    """
    x, frames = wave[:, None], length
    for block in network.feature_extractor.conv_layers:
        x = block.conv(x)  # (B, D, F)
        frames = torch.div(frames - block.kernel_size, block.stride, rounding_mode="floor") + 1
        if isinstance(block.layer_norm, nn.GroupNorm):
            x = normalise_channels(x, frames, block.layer_norm)
        elif block.layer_norm is not None:
            x = block.layer_norm(x)
        x = nn.functional.gelu(x)
    mask = sequence_mask(frames, x.shape[-1])  # (B, F)
    x = network.encoder.feature_projection(x.transpose(1, 2)) * mask[:, :, None]
    x = network.encoder.transformer._preprocess(x)
    bias, layers = None, []
    for layer in network.encoder.transformer.layers:
        x, bias = layer(x, position_bias=bias, **_attention_mask(layer.attention, mask))
        layers.append(x)
    return layers, frames


def normalise_channels(x: Tensor, frames: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Return the group norm of channels, (B, D, F), whose statistics exclude the padding.

    `frames` are those of each clip, (B,); `norm` has one channel per group.
    """
    mask = sequence_mask(frames, x.shape[-1])[:, None]  # (B, 1, F)
    count = frames[:, None, None]
    centred = (x - (x * mask).sum(dim=-1, keepdim=True) / count) * mask
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    scaled = centred / (variance + norm.eps).sqrt()
    return scaled * norm.weight[:, None] + norm.bias[:, None]


def _attention_mask(attention: nn.Module, mask: Tensor) -> dict[str, Tensor]:
    """Return the argument that masks padding in a layer's attention, by the name it has there."""
    scores = -10_000.0 * (~mask).float()  # added to the attention scores of padding
    if isinstance(attention, WavLMSelfAttention):
        return {"key_padding_mask": scores}
    return {"attention_mask": scores[:, None, None, :].expand(-1, 1, mask.shape[1], -1)}
