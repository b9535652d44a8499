"""Seeds every training step."""

import random
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback


class StepSeeds(Callback):
    """Seeds torch, numpy and Python at every step, from the seed of the run and the step number.

    Random numbers of a step then depend on no step before: a resumed run draws the same ones.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        step = trainer.global_step * trainer.world_size + trainer.global_rank
        on_cpu = trainer.strategy.root_device.type == "cpu"
        # torch.manual_seed also seeds a CUDA that is never started: 1.5 ms per step.
        seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        value = self.seed * 1_000_000_007 + step
        seed(value)
        random.seed(value)
        np.random.seed(value % 2**32)  # noqa: NPY002 - a user's augmentation may use it
