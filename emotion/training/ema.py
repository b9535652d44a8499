"""Exponential moving average of weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from emotion.errors import ConfigError


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return what averages weights step by step, for Lightning's WeightAveraging.

    After n steps the decay is (1 + n) / (10 + n) at most: at 0.99, a run of 300 steps would
    otherwise end with a twentieth of its first weights. What never changes, such as a mel filter,
    keeps its very bits, which Lightning's own formula for the same average would not leave it.

    Raises:
        ConfigError: a decay outside 0…1.
    """
    if not 0 <= decay < 1:
        raise ConfigError(f"trainer.ema_decay={decay} must be at least 0, under 1.")

    def average(averaged: Tensor, current: Tensor, steps: Tensor) -> Tensor:
        if not averaged.is_floating_point():
            return current
        share = (9 / (10 + steps)).clamp(min=1 - decay)
        return torch.lerp(averaged, current, share.to(averaged.dtype))

    return average
