"""Learning-rate schedules that torch does not have; each is stepped after every batch."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from emotion.errors import ConfigError


def warmup_cosine(optimizer: Optimizer, *, total_steps: int, warmup: float = 0.1) -> LambdaLR:
    """Return a schedule with linear warm-up to the optimizer's rate, then cosine decay to zero.

    The rate rises in the fraction `warmup` of the `total_steps` batches of the run.

    Raises:
        ConfigError: `warmup` outside 0…1.
    """
    if not 0 <= warmup < 1:
        raise ConfigError(f"trainer.schedule.warmup={warmup} must be at least 0 and below 1.")
    rising = math.floor(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        falling = max(1, total_steps - 1 - rising)
        return (1 + math.cos(math.pi * min(1.0, (step - rising) / falling))) / 2

    return LambdaLR(optimizer, factor)
