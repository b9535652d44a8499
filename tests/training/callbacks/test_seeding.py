"""Random numbers of each step."""

import random
from types import SimpleNamespace

import numpy as np
import torch

from emotion.training.callbacks.seeding import StepSeeds


def drawn(*, seed: int = 3, step: int = 7, rank: int = 0) -> tuple[float, float, float]:
    """Return a number of torch, numpy and Python, drawn in a step."""
    device = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(global_step=step, world_size=2, global_rank=rank, strategy=device)
    StepSeeds(seed).on_train_batch_start(trainer)  # type: ignore[arg-type]
    return torch.rand(()).item(), np.random.rand(), random.random()  # noqa: NPY002


def test_the_numbers_of_a_step_depend_on_no_step_before() -> None:
    first = drawn()
    torch.rand(100)
    assert drawn() == first


def test_seeds_steps_and_ranks_have_numbers_of_their_own() -> None:
    settings: list[dict[str, int]] = [{}, {"seed": 4}, {"step": 8}, {"rank": 1}]
    numbers = [drawn(**each) for each in settings]
    for column in zip(*numbers, strict=True):
        assert len(set(column)) == 4
