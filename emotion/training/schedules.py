"""Learning-rate schedules that torch does not have; each is stepped after every batch."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from emotion.errors import ConfigError


def warmup_cosine(optimizer: Optimizer, *, total_steps: int, warmup: float = 0.1) -> LambdaLR:
    """Return a schedule up to the optimizer's rate in a line, then down to nothing along a cosine.

    Args:
        optimizer: whose rates are the greatest.
        total_steps: batches of the run.
        warmup: the share of them that the rate rises for.

    Raises:
        ConfigError: `warmup` lies outside 0…1.
    """
    if not 0 <= warmup < 1:
        raise ConfigError(f"trainer.schedule.warmup={warmup} must be at least 0, under 1.")
    rising = math.floor(warmup * total_steps)

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        falling = max(1, total_steps - 1 - rising)
        return (1 + math.cos(math.pi * min(1.0, (step - rising) / falling))) / 2

    return LambdaLR(optimizer, share)
