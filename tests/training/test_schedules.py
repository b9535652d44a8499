"""Learning rates, batch by batch."""

from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from emotion.config.build import build
from emotion.config.composition import compose
from emotion.errors import ConfigError
from emotion.training.schedules import warmup_cosine


def rates_of(schedule: LRScheduler, steps: int) -> list[float]:
    """Return the learning rate of each step."""
    rates = []
    for _ in range(steps):
        rates.append(float(schedule.get_last_lr()[0]))
        schedule.optimizer.step()
        schedule.step()
    return rates


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)


@pytest.mark.parametrize("steps", [1, 2, 10, 200])
def test_cosine_warms_up_for_a_tenth_of_any_run_and_decays(steps: int) -> None:
    rates = rates_of(warmup_cosine(sgd(), total_steps=steps, warmup=0.1), steps)
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1)
    assert top == steps // 10
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps == 200:
        assert rates[0] < 0.1
        assert rates[-1] == pytest.approx(0)


@pytest.mark.parametrize("warmup", [-0.1, 1])
def test_a_warmup_outside_its_range_is_refused(warmup: float) -> None:
    with pytest.raises(ConfigError, match=r"warmup=.* must be at least 0 and below 1"):
        warmup_cosine(sgd(), total_steps=10, warmup=warmup)


def test_half_cycle_keeps_its_rate_and_then_decays_linearly() -> None:
    trainer = compose("train", []).settings.trainer
    optimizer = build(trainer.optimizer, "trainer.optimizer")([torch.nn.Parameter(torch.zeros(1))])
    schedule = build(trainer.schedule, "trainer.schedule")(optimizer, total_steps=100)
    rates = rates_of(schedule, 100)
    assert rates[:29] == pytest.approx([1e-3] * 29)
    steps = [before - after for before, after in pairwise(rates[30:])]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)
