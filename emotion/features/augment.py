"""Changes that training clips undergo: whole batches, on the device, each clip its own draw."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from emotion.errors import ConfigError


def shift_time(image: Tensor, steps: Tensor) -> Tensor:
    """Return images, (B, C, M, F), turned round in time by `steps` frames each, (B,)."""
    clips, frames = image.shape[0], image.shape[-1]
    twice = torch.cat([image, image], dim=-1).flatten()
    # Every place of it starts a row of this view, and a band that is turned is one of these rows;
    # a gather of cells takes twice as long.
    rows = twice.as_strided((len(twice) - frames + 1, frames), (1, 1))
    band = torch.arange(0, len(twice), 2 * frames, device=image.device).view(clips, -1)
    first = band + (-steps % frames)[:, None]
    return rows.index_select(0, first.flatten()).view_as(image)


def draw_spans(
    batch: int, size: int, *, count: int, max_fraction: float, device: torch.device
) -> Tensor:
    """Return which of `size` places lie in one of `count` random spans: (B, size) bool.

    A span has 0…max_fraction · size whole places.
    """
    most = int(max_fraction * size)
    width = (torch.rand(batch, count, 1, device=device) * (most + 1)).floor()
    start = (torch.rand(batch, count, 1, device=device) * (size - width + 1)).floor()
    place = torch.arange(size, device=device)
    return ((place >= start) & (place < start + width)).any(dim=1)


def mix_pairs(image: Tensor, *, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return mixed images, each clip's partner and the share of its own (Zhang et al. 2018).

    Args:
        image: (B, C, M, F).
        alpha: both parameters of the share's Beta distribution.

    Returns:
        Images (B, C, M, F), places of the partners (B,), and one share of at least a half, ().
    """
    concentration = torch.full((), alpha, device=image.device)
    share = torch.distributions.Beta(concentration, concentration).sample()
    share = torch.maximum(share, 1 - share)
    partner = torch.randperm(image.shape[0], device=image.device)
    return torch.lerp(image[partner], image, share), partner, share


def warp(image: Tensor, *, tempo: Tensor, pitch: Tensor, mel_top: float) -> Tensor:
    """Return mel images resampled as of a voice that is faster and higher: (B, C, M, F) -> same.

    Args:
        image: zero where a clip is padded; so is what comes from beyond its frames.
        tempo: factor of each clip, (B,).
        pitch: factor of each clip's frequencies, (B,); the highest band stands in for those above.
        mel_top: the upper end of the bands, mel.
    """
    bands, frames = image.shape[-2:]
    time = torch.arange(frames, device=image.device) * tempo[:, None]  # (B, F), in frames
    band = place_bands(pitch, bands=bands, mel_top=mel_top)  # (B, M)
    x = (2 * time / max(1, frames - 1) - 1)[:, None, :].expand(-1, bands, -1)
    y = (2 * band / max(1, bands - 1) - 1).clamp(-1, 1)[:, :, None].expand(-1, -1, frames)
    return nn.functional.grid_sample(image, torch.stack([x, y], dim=-1), align_corners=True)


def place_bands(pitch: Tensor, *, bands: int, mel_top: float) -> Tensor:
    """Return which band of a clip each band of a voice higher by `pitch` is: (B,) -> (B, M)."""
    mel = (torch.arange(bands, device=pitch.device) + 1) * (mel_top / (bands + 1))
    hertz = 700 * (10 ** (mel / 2595) - 1) / pitch[:, None]
    return 2595 * torch.log10(1 + hertz / 700) * ((bands + 1) / mel_top) - 1


def top_of_bands(sample_rate: int) -> float:
    """Return the upper end of the bands, mel: half of the rate."""
    return 2595 * math.log10(1 + sample_rate / 2 / 700)


class Warp(nn.Module):
    """Perturbs tempo and pitch of each clip: its spectrogram is resampled, not its wave.

    Args:
        tempo: greatest change of speed, either way: 0.1 draws factors of 0.9…1.1.
        pitch: greatest change of all frequencies, the same way.
        sample_rate: of the waves, Hz; the bands end at half of it.
    """

    def __init__(self, *, tempo: float = 0.1, pitch: float = 0.1, sample_rate: int) -> None:
        super().__init__()
        self.tempo = _share("warp.tempo", tempo)
        self.pitch = _share("warp.pitch", pitch)
        self.mel_top = top_of_bands(sample_rate)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, M, F) -> the same."""
        draw = 2 * torch.rand(2, image.shape[0], device=image.device) - 1
        tempo, pitch = 1 + draw[0] * self.tempo, 1 + draw[1] * self.pitch
        return warp(image, tempo=tempo, pitch=pitch, mel_top=self.mel_top)


class TimeShift(nn.Module):
    """Turns each clip round in time by up to a share of its length, either way."""

    def __init__(self, max_fraction: float = 0.3) -> None:
        super().__init__()
        self.max_fraction = _share("time_shift.max_fraction", max_fraction)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, M, F) -> the same."""
        most = round(self.max_fraction * image.shape[-1])
        steps = torch.randint(-most, most + 1, (image.shape[0],), device=image.device)
        return shift_time(image, steps)


class Mask(nn.Module):
    """Covers random bands or spans with the clip's mean (SpecAugment, Park et al. 2019).

    Args:
        axis: "frequency" or "time".
        count: masks a clip.
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
            raise ConfigError(f"a mask's axis is frequency or time, not {axis!r}.")
        self.dim = -2 if axis == "frequency" else -1
        if fill not in ("mean", "zero"):
            raise ConfigError(f"a mask's fill is mean or zero, not {fill!r}.")
        self.fill = fill
        self.count = count
        self.max_fraction = _share(f"{axis}_mask.max_fraction", max_fraction)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, M, F) -> the same."""
        spans = draw_spans(
            image.shape[0],
            image.shape[self.dim],
            count=self.count,
            max_fraction=self.max_fraction,
            device=image.device,
        )
        covered = spans[:, None, :, None] if self.dim == -2 else spans[:, None, None, :]
        if self.fill == "zero":
            return image.masked_fill(covered, 0)
        mean = image.mean(dim=(-2, -1), keepdim=True)
        # torch.where takes five times as long on a CPU.
        return torch.lerp(image, mean, covered.to(image.dtype))


class MixStyle(nn.Module):
    """Gives a clip's bands a mean and deviation between its own and another clip's.

    What a room and a recorder do to a voice is mostly this, so a network learns not to lean on it
    (Zhou et al. 2021).

    Args:
        alpha: both parameters of the Beta distribution of the clip's own share.
        chance: that a clip is changed.
    """

    def __init__(self, *, alpha: float = 0.4, chance: float = 0.5) -> None:
        super().__init__()
        if alpha <= 0:
            raise ConfigError(f"model.augment.style.alpha={alpha} must be above 0.")
        self.alpha = alpha
        self.chance = _share("style.chance", chance)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, M, F), zero where a clip is padded -> the same."""
        clips = image.shape[0]
        own = image.ne(0).any(dim=-2, keepdim=True)
        count = own.sum(dim=-1, keepdim=True).clamp(min=1)
        mean = image.sum(dim=-1, keepdim=True) / count
        centred = (image - mean) * own
        deviation = (centred.square().sum(dim=-1, keepdim=True) / count + 1e-3).sqrt()
        concentration = torch.full((clips, 1, 1, 1), self.alpha, device=image.device)
        share = torch.distributions.Beta(concentration, concentration).sample()
        share = share.masked_fill(torch.rand_like(share) >= self.chance, 1)
        partner = torch.randperm(clips, device=image.device)
        scale = torch.lerp(deviation[partner], deviation, share) / deviation
        return (centred * scale + torch.lerp(mean[partner], mean, share)) * own


class Augment(nn.Module):
    """Applies its steps one after another; a step that is None is left out."""

    def __init__(self, **steps: nn.Module | None) -> None:
        super().__init__()
        self.steps = nn.ModuleDict({name: step for name, step in steps.items() if step is not None})

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, M, F) -> the same."""
        for step in self.steps.values():
            image = step(image)
        return image


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"model.augment.{name}={value} must lie between 0 and 1.")
    return value
