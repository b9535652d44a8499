"""A small residual convolutional-recurrent network for clips of any length."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from emotion.errors import ConfigError
from emotion.features.augment import max_mel, resampled_frames, source_bands
from emotion.features.padding import (
    flip_frames,
    mask_padding,
    mean_level,
    normalise_bands,
    sequence_mask,
)
from emotion.models.base import EmotionClassifier


class CRNN(EmotionClassifier):
    """Residual convolutions that halve time twice, a bidirectional GRU, attentive pooling.

    Padding is set to zero before every layer that combines frames, and excluded from all sums over
    time: it changes no logit.

    Args:
        channels: maps of the stem and of each residual block; each halves the bands.
        time_strides: factors by which the stem and each block shorten time.
        hidden: units of the GRU in each direction.
        dropout: fraction of the embedding that is dropped in training.
        normalise: "band" shifts and scales each band of a clip by its own mean and deviation;
            "level" shifts each clip by its own mean and scales all by the training clips'
            deviation: the recording level changes no logit, the balance of the bands does;
            "train" shifts and scales all by the training clips' mean and deviation.
        speeds: speeds of the test-time augmentation.
        pitches: pitches of it, each combined with each speed; the embeddings are averaged.
        **shared: see `EmotionClassifier`.
    """

    normalisations = ("band", "level", "train")

    def __init__(
        self,
        *,
        channels: Sequence[int] = (16, 24, 48, 64),
        time_strides: Sequence[int] = (2, 2, 1, 1),
        hidden: int = 96,
        dropout: float = 0.3,
        normalise: str = "band",
        speeds: Sequence[float] = (1.0,),
        pitches: Sequence[float] = (1.0,),
        **shared: Any,
    ) -> None:
        super().__init__(normalise=normalise, **shared)
        for name, factors in (("speeds", speeds), ("pitches", pitches)):
            if not factors or min(factors) <= 0:
                wrong = f"model.{name}={list(factors)}"
                raise ConfigError(f"{wrong} must be factors above 0, such as 1.")
        self.speeds, self.pitches = tuple(speeds), tuple(pitches)
        sizes = zip(pairwise((1, *channels)), time_strides, strict=True)
        blocks = [
            (Residual if i else Stem)(*maps, stride) for i, (maps, stride) in enumerate(sizes)
        ]
        self.blocks = nn.ModuleList(blocks).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        bands = -(-self.features.rows // 2 ** len(channels))
        self.recurrent = BidirectionalGRU(channels[-1] * bands, hidden)
        self.pool = AttentivePool(2 * hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * hidden, len(self.labels))

    def image(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Waves (B, T) or dB (B, 1, M, F), samples (B,) -> (B, 1, M, F), zero in padding, and (B,).

        On a CPU, frames beyond the longest clip of the batch are left out.
        """
        decibels, frames = self.compute_features(x, length), self.features.frame_lengths(length)
        if self.normalise == "band":
            image = normalise_bands(decibels, frames)
        else:
            mean = mean_level(decibels, frames) if self.normalise == "level" else self.mean
            image = mask_padding((decibels - mean) / self.deviation, frames)
        if image.device.type == "cpu" and not torch.compiler.is_compiling():
            image = image[..., : int(frames.max())]
        if self.training and self.augment is not None:
            image, frames = self.augment(image, frames)
        return image, frames

    def embed_tta(self, image: Tensor, frames: Tensor) -> Tensor:
        """Return the mean embedding over speeds and pitches: (B, 1, M, F) -> (B, 4 · hidden)."""
        if self.training:
            return self.embed(image, frames)
        top = max_mel(self.features.sample_rate)
        embeddings = []
        for speed in self.speeds:
            played = change_speed(image, speed)
            length = resampled_frames(frames, speed, size=played.shape[-1])
            images = [change_pitch(played, pitch, max_mel=top) for pitch in self.pitches]
            embeddings += [self.embed(each, length) for each in images]
        return torch.stack(embeddings).mean(dim=0)

    def embed(self, image: Tensor, frames: Tensor) -> Tensor:
        """(B, 1, M, F), (B,) -> (B, 4 · hidden)."""
        image = mask_padding(image, frames).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            image, frames = block(image, frames)  # (B, C, M, F) -> (B, C', M / 2, F / stride)
        sequence = image.flatten(1, 2).transpose(1, 2)  # (B, F, C · M)
        embedding: Tensor = self.dropout(self.pool(self.recurrent(sequence, frames), frames))
        return embedding


class Stem(nn.Module):
    """A wide convolution that halves the bands."""

    def __init__(self, maps: int, width: int, time_stride: int) -> None:
        super().__init__()
        self.time_stride = time_stride
        self.convolution = nn.Conv2d(maps, width, 5, stride=(2, time_stride), padding=2, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, image: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, M, F), (B,) -> (B, C', M / 2, F / stride), (B,)."""
        frames = strided_frames(frames, self.time_stride)
        image = nn.functional.relu(self.norm(self.convolution(image)), inplace=True)
        return mask_padding(image, frames), frames


class Residual(nn.Module):
    """Two convolutions, of which the first halves the bands, with a shortcut connection."""

    def __init__(self, maps: int, width: int, time_stride: int) -> None:
        super().__init__()
        self.time_stride = time_stride
        self.first = nn.Conv2d(maps, width, 3, stride=(2, time_stride), padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.shortcut = nn.Conv2d(maps, width, 1, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(width)

    def forward(self, image: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, M, F), (B,) -> (B, C', M / 2, F / stride), (B,)."""
        frames = strided_frames(frames, self.time_stride)
        # A stride of the convolution itself makes torch 2.11 write out of bounds on some CPUs.
        strided = image[..., ::2, :: self.time_stride]
        skipped = self.shortcut_norm(self.shortcut(strided))
        image = nn.functional.relu(self.first_norm(self.first(image)), inplace=True)
        image = self.second_norm(self.second(mask_padding(image, frames)))
        return mask_padding(nn.functional.relu(image + skipped), frames), frames


class BidirectionalGRU(nn.Module):
    """Two GRUs; the backward one starts at the last frame of each clip, not in its padding."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.GRU(inputs, hidden, batch_first=True)
        self.backwards = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, sequence: Tensor, frames: Tensor) -> Tensor:
        """(B, F, D), (B,) -> (B, F, 2 · hidden)."""
        forward, _ = self.forwards(sequence)
        backward, _ = self.backwards(flip_frames(sequence, frames))
        return torch.cat([forward, flip_frames(backward, frames)], dim=-1)


class AttentivePool(nn.Module):
    """Weighted mean and deviation over time, weights per unit (Okabe et al. 2018)."""

    def __init__(self, units: int, bottleneck: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(units, bottleneck), nn.Tanh(), nn.Linear(bottleneck, units)
        )

    def forward(self, sequence: Tensor, frames: Tensor) -> Tensor:
        """(B, F, D), (B,) -> (B, 2 · D)."""
        mask = sequence_mask(frames, sequence.shape[1])[:, :, None]
        weight = self.score(sequence).masked_fill(~mask, float("-inf")).softmax(dim=1)
        mean = (weight * sequence).sum(dim=1)
        variance = (weight * sequence.square()).sum(dim=1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=-1)


def strided_frames(frames: Tensor, stride: int) -> Tensor:
    """Return the frames of each clip after a layer with this stride: (B,) -> (B,)."""
    return (frames + stride - 1) // stride


def change_speed(image: Tensor, speed: float) -> Tensor:
    """Return spectrograms resampled in time alone: (B, C, M, F) -> (B, C, M, F / speed)."""
    if speed == 1:
        return image
    position = torch.arange(math.ceil(image.shape[-1] / speed), device=image.device) * speed
    before = position.long()
    padded = nn.functional.pad(image, (0, 2))  # zeros follow the last frame
    return torch.lerp(padded[..., before], padded[..., before + 1], position - before)


def change_pitch(image: Tensor, pitch: float, *, max_mel: float) -> Tensor:
    """Return spectrograms of a voice that is higher by a factor: (B, C, M, F) -> the same."""
    if pitch == 1:
        return image
    bands = image.shape[-2]
    factor = torch.full((1,), pitch, device=image.device)
    position = source_bands(factor, bands=bands, max_mel=max_mel)[0].clamp(0, bands - 1)  # (M,)
    below = position.long().clamp(max=bands - 2)
    return torch.lerp(image[..., below, :], image[..., below + 1, :], (position - below)[:, None])
