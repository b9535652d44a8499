"""Writes history.csv, one row per epoch."""

from pathlib import Path

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import pandas as pd
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from emotion.utils.tables import read_table, write_table


class History(Callback):
    """Writes history.csv, a row an epoch; a resumed run goes on behind the epochs that it keeps.

    `lr` is the rate of the epoch's first step.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rate = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        row = {
            "epoch": float(trainer.current_epoch),
            "lr": self.rate,
        }
        row |= {
            name: float(trainer.callback_metrics[f"{stage}/{figure}"])
            for stage in ("train", "val")
            for figure in ("loss", "uar", "wa")
            if (name := f"{stage}_{figure}") and f"{stage}/{figure}" in trainer.callback_metrics
        }
        rows = pd.DataFrame([row])
        if self.file.exists():
            before = read_table(self.file, dict.fromkeys(row, "float64"))
            rows = pd.concat([before[before["epoch"] < row["epoch"]], rows])
        write_table(self.file, rows.astype({"epoch": int}))

    def state_dict(self) -> dict[str, float]:
        """Keep the rate for an epoch that is gone on with."""
        return {"rate": self.rate}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.rate = state["rate"]
