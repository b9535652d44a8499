"""Changes that training clips undergo: whole batches, on the device, each clip its own draw."""

import torch
from torch import Tensor, nn

from emotion.errors import ConfigError


def shift_time(image: Tensor, steps: Tensor) -> Tensor:
    """Return images, (B, C, M, F), turned round in time by `steps` frames each, (B,)."""
    frames = image.shape[-1]
    source = (torch.arange(frames, device=image.device) - steps[:, None]) % frames  # (B, F)
    return image.gather(-1, source[:, None, None, :].expand_as(image))


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
    """

    def __init__(self, axis: str, *, count: int = 2, max_fraction: float = 0.1) -> None:
        super().__init__()
        if axis not in ("frequency", "time"):
            raise ConfigError(f"a mask's axis is frequency or time, not {axis!r}.")
        self.dim = -2 if axis == "frequency" else -1
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
        mean = image.mean(dim=(-2, -1), keepdim=True)
        # torch.where takes three times as long on a CPU.
        return torch.addcmul(image, covered.to(image.dtype), mean - image)


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
