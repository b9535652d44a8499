"""A small residual convolutional-recurrent network for clips of any length."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emotion.errors import ConfigError
from emotion.features.augment import place_bands, top_of_bands
from emotion.features.padding import count_frames, flip_frames, inside, mean_level, normalise_bands
from emotion.models.base import EmotionClassifier


class CRNN(EmotionClassifier):
    """Residual convolutions that soon halve time, a GRU both ways, attentive statistics pooling.

    What lies behind a clip's last sound is set to zero before every layer that looks around, and
    left out of all sums over time: padding changes no logit.

    Args:
        channels: maps of the stem and of each residual block; the bands are halved by each.
        time_strides: by what the stem and each block shorten time.
        hidden: units of the GRU, each way.
        dropout: share of the embedding that is dropped in training.
        normalise: "band" shifts and scales each clip's every band by its own mean and deviation;
            "level" shifts each clip by its own mean and scales all by the training clips'
            deviation: how loud it was recorded changes no logit, how its bands lie to each other
            does; "train" shifts and scales all by the training clips'.
        speeds: at which a clip is heard for an answer.
        pitches: at which it is heard, each at each speed; the embeddings are averaged.
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
                raise ConfigError(
                    f"model.{name}={list(factors)} must be factors above 0, such as 1."
                )
        self.speeds = tuple(speeds)
        self.pitches = tuple(pitches)
        maps = 1
        blocks: list[nn.Module] = []
        for place, (width, stride) in enumerate(zip(channels, time_strides, strict=True)):
            block = Stem if place == 0 else Residual
            blocks.append(block(maps, width, stride))
            maps = width
        self.blocks = nn.ModuleList(blocks).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        bands = -(-self.features.rows // 2 ** len(channels))
        self.recurrent = BidirectionalGRU(maps * bands, hidden)
        self.pool = AttentivePool(2 * hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * hidden, len(self.labels))

    def image(self, x: Tensor) -> Tensor:
        """Waves (B, T), or dB (B, 1, M, F) -> (B, 1, M, F), zero in the padding."""
        decibels = self.decibels(x)
        length = count_frames(decibels)
        if self.normalise == "band":
            image = normalise_bands(decibels, length)
        else:
            own = inside(length, decibels.shape[-1])[:, None, None, :]
            mean = mean_level(decibels, length) if self.normalise == "level" else self.mean
            image = (decibels - mean) / self.deviation * own
        if image.device.type == "cpu" and not torch.compiler.is_compiling():
            image = image[..., : int(length.max())]  # padding of a whole batch costs time here
        if self.training and self.augment is not None:
            image = self.augment(image)
        return image

    def embed_tta(self, image: Tensor) -> Tensor:
        """Return the mean embedding over speeds and pitches: (B, 1, M, F) -> (B, 4 · hidden)."""
        if self.training:
            return self.embed(image)
        top = top_of_bands(self.features.sample_rate)
        heard = [
            self.embed(change_pitch(change_speed(image, speed), pitch, mel_top=top))
            for speed in self.speeds
            for pitch in self.pitches
        ]
        return torch.stack(heard).mean(dim=0)

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, M, F), zero in the padding -> (B, 4 · hidden)."""
        place = torch.arange(1, image.shape[-1] + 1, device=image.device)
        length = (image.ne(0).any(dim=2).any(dim=1) * place).amax(dim=-1).clamp(min=1)  # (B,)
        image = image.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            image, length = block(image, length)  # (B, C, M, F) -> (B, C', M / 2, F / stride)
        sequence = image.flatten(1, 2).transpose(1, 2)  # (B, F, C · M)
        embedding: Tensor = self.dropout(self.pool(self.recurrent(sequence, length), length))
        return embedding


class Stem(nn.Module):
    """A wide convolution that halves bands."""

    def __init__(self, maps: int, width: int, time_stride: int) -> None:
        super().__init__()
        self.time_stride = time_stride
        self.convolution = nn.Conv2d(maps, width, 5, stride=(2, time_stride), padding=2, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, image: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, M, F), (B,) -> (B, C', M / 2, F / stride), (B,)."""
        length = shortened(length, self.time_stride)
        image = nn.functional.relu(self.norm(self.convolution(image)), inplace=True)
        return silenced(image, length), length


class Residual(nn.Module):
    """Two convolutions, the first of which halves bands, beside a short cut."""

    def __init__(self, maps: int, width: int, time_stride: int) -> None:
        super().__init__()
        self.time_stride = time_stride
        self.first = nn.Conv2d(maps, width, 3, stride=(2, time_stride), padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.shortcut = nn.Conv2d(maps, width, 1, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(width)

    def forward(self, image: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, M, F), (B,) -> (B, C', M / 2, F / stride), (B,)."""
        length = shortened(length, self.time_stride)
        # A stride of the convolution itself makes torch 2.11 write out of bounds on some CPUs.
        places = image[..., ::2, :: self.time_stride]
        skipped = self.shortcut_norm(self.shortcut(places))
        image = nn.functional.relu(self.first_norm(self.first(image)), inplace=True)
        image = self.second_norm(self.second(silenced(image, length)))
        return silenced(nn.functional.relu(image + skipped), length), length


class BidirectionalGRU(nn.Module):
    """A GRU each way; backwards it starts at each clip's own last frame."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.GRU(inputs, hidden, batch_first=True)
        self.backwards = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, sequence: Tensor, length: Tensor) -> Tensor:
        """(B, F, D), (B,) -> (B, F, 2 · hidden)."""
        ahead, _ = self.forwards(sequence)
        back, _ = self.backwards(flip_frames(sequence, length))
        return torch.cat([ahead, flip_frames(back, length)], dim=-1)


class AttentivePool(nn.Module):
    """Mean and deviation over time, each unit with its own weights (Okabe et al. 2018)."""

    def __init__(self, units: int, bottleneck: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(units, bottleneck), nn.Tanh(), nn.Linear(bottleneck, units)
        )

    def forward(self, sequence: Tensor, length: Tensor) -> Tensor:
        """(B, F, D), (B,) -> (B, 2 · D)."""
        own = inside(length, sequence.shape[1])[:, :, None]
        weight = self.score(sequence).masked_fill(~own, float("-inf")).softmax(dim=1)
        mean = (weight * sequence).sum(dim=1)
        variance = (weight * sequence.square()).sum(dim=1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=-1)


def shortened(length: Tensor, stride: int) -> Tensor:
    """Return the frames that a layer of this stride leaves of each clip: (B,) -> (B,)."""
    return (length + stride - 1) // stride


def silenced(image: Tensor, length: Tensor) -> Tensor:
    """Return maps with zeros in each clip's padding: (B, C, M, F), (B,) -> the same."""
    return image * inside(length, image.shape[-1])[:, None, None, :]


def change_speed(image: Tensor, speed: float) -> Tensor:
    """Return spectrograms resampled in time alone: (B, C, M, F) -> (B, C, M, F / speed)."""
    if speed == 1:
        return image
    place = torch.arange(math.ceil(image.shape[-1] / speed), device=image.device) * speed
    before = place.long()
    padded = nn.functional.pad(image, (0, 2))  # silence follows the last frame
    return torch.lerp(padded[..., before], padded[..., before + 1], place - before)


def change_pitch(image: Tensor, pitch: float, *, mel_top: float) -> Tensor:
    """Return spectrograms of a voice that is higher by a factor: (B, C, M, F) -> the same."""
    if pitch == 1:
        return image
    bands = image.shape[-2]
    place = place_bands(torch.full((1,), pitch, device=image.device), bands=bands, mel_top=mel_top)
    place = place[0].clamp(0, bands - 1)  # (M,)
    below = place.long().clamp(max=bands - 2)
    return torch.lerp(image[..., below, :], image[..., below + 1, :], (place - below)[:, None])
