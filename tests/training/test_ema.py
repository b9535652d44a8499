"""Exponential moving average of weights."""

import pytest
import torch

from emotion.cli.main import run
from emotion.errors import ConfigError
from emotion.training.ema import moving_average
from tests.support.trained import Train


def test_the_average_forgets_the_first_weights_also_in_a_short_run() -> None:
    constant = torch.nn.Linear(3, 3)
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), constant)
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=moving_average(0.99))
    for step in range(1, 401):
        with torch.no_grad():
            model[0].weight.fill_(step)
        average.update_parameters(model)
        if step == 50:
            assert average.module[0].weight.item() > 40, "the average of the last steps"
    assert 290 < average.module[0].weight.item() < 400, "of a hundred steps, by the decay"
    assert torch.equal(average.module[1].weight, constant.weight)


@pytest.mark.parametrize("decay", [-0.1, 1])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.ema_decay=.* at least 0 and below 1"):
        moving_average(decay)


def test_averaged_weights_are_the_weights_of_the_run(train: Train, base: list[str]) -> None:
    averaged = train("trainer.ema_decay=0.9")
    assert run(["evaluate", base[0], f"run={averaged.folder}"]) == 0
    evaluated = averaged.folder / "evaluate" / "test" / "predictions.csv"
    assert evaluated.read_bytes() == (averaged.folder / "predictions.csv").read_bytes()
