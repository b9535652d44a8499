"""Exponential moving average of weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from emotion.errors import ConfigError


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return an averaging function for Lightning's WeightAveraging.

    After n steps the decay is at most (1 + n) / (10 + n): with 0.99, a run of 300 steps would
    otherwise end with a twentieth of its initial weights. Values that never change, such as mel
    filters, keep their exact bits, unlike with Lightning's own formula.

    Raises:
        ConfigError: a decay outside 0…1.
    """
    if not 0 <= decay < 1:
        raise ConfigError(f"trainer.ema_decay={decay} must be at least 0 and below 1.")

    def average(averaged: Tensor, current: Tensor, steps: Tensor) -> Tensor:
        if not averaged.is_floating_point():
            return current
        weight = (9 / (10 + steps)).clamp(min=1 - decay)
        return torch.lerp(averaged, current, weight.to(averaged.dtype))

    return average
