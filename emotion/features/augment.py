"""Augmentation of training spectrograms: whole batches, on the device, drawn for each clip.

A step is a module from images, (B, C, M, F), and the frames of each clip, (B,), to the same two.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from emotion.errors import ConfigError
from emotion.features.padding import mask_padding

ImageBatch = tuple[Tensor, Tensor]
"""Images, (B, C, M, F), and the frames of each clip, (B,)."""


def shift_time(image: Tensor, steps: Tensor) -> Tensor:
    """Return images, (B, C, M, F), rolled in time by `steps` frames each, (B,)."""
    clips, frames = image.shape[0], image.shape[-1]
    doubled = torch.cat([image, image], dim=-1).flatten()
    # Every element of `doubled` starts a row of this view, and a rolled band is one of these rows;
    # a gather of single cells takes twice as long.
    rows = doubled.as_strided((len(doubled) - frames + 1, frames), (1, 1))
    band = torch.arange(0, len(doubled), 2 * frames, device=image.device).view(clips, -1)
    start = band + (-steps % frames)[:, None]
    return rows.index_select(0, start.flatten()).view_as(image)


def draw_spans(
    batch: int, size: int, *, count: int, max_fraction: float, device: torch.device
) -> Tensor:
    """Return a mask of `count` random spans of 0…max_fraction · size elements: (B, size) bool."""
    max_width = int(max_fraction * size)
    width = (torch.rand(batch, count, 1, device=device) * (max_width + 1)).floor()
    start = (torch.rand(batch, count, 1, device=device) * (size - width + 1)).floor()
    position = torch.arange(size, device=device)
    return ((position >= start) & (position < start + width)).any(dim=1)


def mix_pairs(image: Tensor, *, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return images mixed with those of random partners (mixup, Zhang et al. 2018).

    With them, (B, C, M, F), the indices of the partners, (B,), and the weight of a clip's own
    image, (), one for all and at least a half, drawn from a Beta distribution with twice `alpha`.
    """
    concentration = torch.full((), alpha, device=image.device)
    weight = torch.distributions.Beta(concentration, concentration).sample()
    weight = torch.maximum(weight, 1 - weight)
    partner = torch.randperm(image.shape[0], device=image.device)
    return torch.lerp(image[partner], image, weight), partner, weight


def warp(image: Tensor, *, tempo: Tensor, pitch: Tensor, max_mel: float) -> Tensor:
    """Return mel images resampled to those of a faster and higher voice: (B, C, M, F) -> same.

    Args:
        image: zero in the padding; frames beyond its end are taken as zero.
        tempo: factor of each clip, (B,).
        pitch: factor of each clip's frequencies, (B,); the highest band is repeated above it.
        max_mel: upper limit of the bands, mel.
    """
    bands, frames = image.shape[-2:]
    time = torch.arange(frames, device=image.device) * tempo[:, None]  # (B, F), in frames
    band = source_bands(pitch, bands=bands, max_mel=max_mel)  # (B, M)
    x = (2 * time / max(1, frames - 1) - 1)[:, None, :].expand(-1, bands, -1)
    y = (2 * band / max(1, bands - 1) - 1).clamp(-1, 1)[:, :, None].expand(-1, -1, frames)
    return nn.functional.grid_sample(image, torch.stack([x, y], dim=-1), align_corners=True)


def resampled_frames(frames: Tensor, speed: Tensor | float, *, size: int) -> Tensor:
    """Return the frames of clips played at a speed, at most `size`: (B,) -> (B,)."""
    # Without the margin, rounding would decide where the quotient is a whole number.
    return (frames / speed - 1e-3).ceil().long().clamp(max=size)


def source_bands(pitch: Tensor, *, bands: int, max_mel: float) -> Tensor:
    """Return the fractional band that moves to each band of a higher voice: (B,) -> (B, M)."""
    mel = (torch.arange(bands, device=pitch.device) + 1) * (max_mel / (bands + 1))
    hertz = 700 * (10 ** (mel / 2595) - 1) / pitch[:, None]
    return 2595 * torch.log10(1 + hertz / 700) * ((bands + 1) / max_mel) - 1


def max_mel(sample_rate: int) -> float:
    """Return the upper limit of the mel bands, half of the rate, in mel."""
    return 2595 * math.log10(1 + sample_rate / 2 / 700)


class Warp(nn.Module):
    """Perturbs tempo and pitch of each clip by resampling its spectrogram, not its wave.

    Args:
        tempo: maximal relative change of speed: 0.1 draws factors of 0.9…1.1.
        pitch: maximal relative change of all frequencies.
        sample_rate: of the waves, Hz; the bands end at half of it.
    """

    def __init__(self, *, tempo: float = 0.1, pitch: float = 0.1, sample_rate: int) -> None:
        super().__init__()
        self.tempo = _checked_fraction("warp.tempo", tempo)
        self.pitch = _checked_fraction("warp.pitch", pitch)
        self.max_mel = max_mel(sample_rate)

    def forward(self, image: Tensor, frames: Tensor) -> ImageBatch:
        """(B, C, M, F), (B,) -> the same; the frames change with the tempo."""
        draw = 2 * torch.rand(2, image.shape[0], device=image.device) - 1
        tempo, pitch = 1 + draw[0] * self.tempo, 1 + draw[1] * self.pitch
        frames = resampled_frames(frames, tempo, size=image.shape[-1])
        return warp(image, tempo=tempo, pitch=pitch, max_mel=self.max_mel), frames


class TimeShift(nn.Module):
    """Rolls each image in time by up to a fraction of its width, padding included."""

    def __init__(self, max_fraction: float = 0.3) -> None:
        super().__init__()
        self.max_fraction = _checked_fraction("time_shift.max_fraction", max_fraction)

    def forward(self, image: Tensor, frames: Tensor) -> ImageBatch:
        """(B, C, M, F), (B,) -> the same; all frames count, since the padding moves too."""
        max_steps = round(self.max_fraction * image.shape[-1])
        steps = torch.randint(-max_steps, max_steps + 1, (image.shape[0],), device=image.device)
        return shift_time(image, steps), torch.full_like(frames, image.shape[-1])


class Mask(nn.Module):
    """Replaces random bands or spans of time by the clip's mean (SpecAugment, Park et al. 2019).

    Args:
        axis: "frequency" or "time".
        count: masks per clip.
        max_fraction: of the axis that one mask covers at most.
        fill: "mean" of the clip; or "zero", which is the mean where clips were normalised before.
    """

    def __init__(
        self,
        axis: str,
        *,
        count: int = 2,
        max_fraction: float = 0.1,
        fill: Literal["mean", "zero"] = "mean",
    ) -> None:
        super().__init__()
        if axis not in ("frequency", "time"):
            raise ConfigError(f"a mask's axis must be frequency or time, not {axis!r}.")
        if fill not in ("mean", "zero"):
            raise ConfigError(f"a mask's fill must be mean or zero, not {fill!r}.")
        self.dim = -2 if axis == "frequency" else -1
        self.fill, self.count = fill, count
        self.max_fraction = _checked_fraction(f"{axis}_mask.max_fraction", max_fraction)

    def forward(self, image: Tensor, frames: Tensor) -> ImageBatch:
        batch, size = image.shape[0], image.shape[self.dim]
        spans = draw_spans(
            batch, size, count=self.count, max_fraction=self.max_fraction, device=image.device
        )
        covered = spans[:, None, :, None] if self.dim == -2 else spans[:, None, None, :]
        if self.fill == "zero":
            return image.masked_fill(covered, 0), frames
        mean = image.mean(dim=(-2, -1), keepdim=True)
        # torch.where takes five times as long on a CPU.
        return torch.lerp(image, mean, covered.to(image.dtype)), frames


class MixStyle(nn.Module):
    """Moves mean and deviation of a clip's bands towards those of another clip (Zhou et al. 2021).

    They carry most of the effect of a room and a microphone: the network relies on them less.

    Args:
        alpha: both parameters of the Beta distribution of the weight of a clip's own statistics.
        chance: probability that a clip is changed.
    """

    def __init__(self, *, alpha: float = 0.4, chance: float = 0.5) -> None:
        super().__init__()
        if alpha <= 0:
            raise ConfigError(f"model.augment.style.alpha={alpha} must be above 0.")
        self.alpha = alpha
        self.chance = _checked_fraction("style.chance", chance)

    def forward(self, image: Tensor, frames: Tensor) -> ImageBatch:
        """(B, C, M, F), zero in the padding, and (B,) -> the same."""
        clips, count = image.shape[0], frames[:, None, None, None]
        mean = image.sum(dim=-1, keepdim=True) / count
        centred = mask_padding(image - mean, frames)
        deviation = (centred.square().sum(dim=-1, keepdim=True) / count + 1e-3).sqrt()
        concentration = torch.full((clips, 1, 1, 1), self.alpha, device=image.device)
        weight = torch.distributions.Beta(concentration, concentration).sample()
        weight = weight.masked_fill(torch.rand_like(weight) >= self.chance, 1)
        partner = torch.randperm(clips, device=image.device)
        scale = torch.lerp(deviation[partner], deviation, weight) / deviation
        styled = centred * scale + torch.lerp(mean[partner], mean, weight)
        return mask_padding(styled, frames), frames


class Augment(nn.Module):
    """Applies its steps in their order; a step that is None is left out."""

    def __init__(self, **steps: nn.Module | None) -> None:
        super().__init__()
        self.steps = nn.ModuleDict({name: step for name, step in steps.items() if step is not None})

    def forward(self, image: Tensor, frames: Tensor) -> ImageBatch:
        for step in self.steps.values():
            image, frames = step(image, frames)
        return image, frames


def _checked_fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"model.augment.{name}={value} must lie between 0 and 1.")
    return value
