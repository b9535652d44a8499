"""Writes history.csv, one row per epoch."""

from pathlib import Path

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import pandas as pd
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from emotion.utils.tables import read_table, write_table


class History(Callback):
    """Writes the metrics of each epoch; a resumed run replaces the epochs that it repeats.

    The column `lr` is the learning rate of the first step of the epoch.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rate = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        row = {"epoch": float(trainer.current_epoch), "lr": self.rate}
        row |= {
            f"{stage}_{metric}": float(trainer.callback_metrics[f"{stage}/{metric}"])
            for stage in ("train", "val")
            for metric in ("loss", "uar", "wa")
            if f"{stage}/{metric}" in trainer.callback_metrics
        }
        rows = pd.DataFrame([row])
        if self.file.exists():
            before = read_table(self.file, dict.fromkeys(row, "float64"))
            rows = pd.concat([before[before["epoch"] < row["epoch"]], rows])
        write_table(self.file, rows.astype({"epoch": int}))

    def state_dict(self) -> dict[str, float]:
        """Return the rate, for an epoch that is resumed."""
        return {"rate": self.rate}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.rate = state["rate"]
