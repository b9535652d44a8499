"""Seeds every training step."""

import logging
import random
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

log = logging.getLogger(__name__)


class StepSeeds(Callback):
    """Seeds every step from the run's seed and the step's number.

    Whatever a step draws, from torch, numpy or Python, then depends on nothing that came before:
    a resumed run draws the same.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        step = trainer.global_step * trainer.world_size + trainer.global_rank
        on_cpu = trainer.strategy.root_device.type == "cpu"
        # torch.manual_seed also leaves word for a CUDA that never starts: 1.5 ms a step.
        seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        value = self.seed * 1_000_000_007 + step
        seed(value)
        random.seed(value)
        np.random.seed(value % 2**32)  # noqa: NPY002 - a user's own augmentation may draw from it
