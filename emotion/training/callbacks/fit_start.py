"""Calls a function when training starts."""

from collections.abc import Callable

import lightning as L  # noqa: N812 - Lightning's own abbreviation
from lightning.pytorch.callbacks import Callback


class FitStart(Callback):
    """Calls a function before the first step, once all checks of the settings have passed.

    The model is built, and a checkpoint is restored: Lightning has accepted both.
    """

    def __init__(self, start: Callable[[], None]) -> None:
        self.start = start

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.start()
