"""Collects the predictions of a model on subsets of a dataset."""

from collections.abc import Sequence
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import BasePredictionWriter

from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import TEST, VAL
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.models.base import EmotionClassifier


class LogitsCollector(BasePredictionWriter):
    """Collects the logits of every clip in one array that is allocated beforehand.

    Small results kept batch by batch fragment the memory that a batch's spectrograms have left:
    the process then grows by megabytes with every batch.
    """

    def __init__(self, clips: int, classes: int) -> None:
        super().__init__("batch")
        self.logits = np.full((clips, classes), np.nan)

    def write_on_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, prediction: Any, *_: Any
    ) -> None:
        rows, logits = prediction
        self.logits[rows.cpu().numpy()] = logits.cpu().numpy()


def predict_subsets(
    trainer: L.Trainer,
    model: EmotionClassifier,
    data: EmotionDataModule,
    *,
    subsets: Sequence[str] = (VAL, TEST),
) -> dict[str, ScoredPredictions]:
    """Return the predictions for the clips of each subset; clips of other subsets are not read."""
    data.prediction_subsets = tuple(subsets)
    if not data.predict_dataloader():
        return {}
    collector = LogitsCollector(len(data.index.table), len(data.labels))
    callbacks = getattr(trainer, "callbacks")  # noqa: B009 - Lightning sets it, undeclared
    callbacks.append(collector)
    trainer.predict(model, datamodule=data, return_predictions=False)
    callbacks.remove(collector)
    logits = collector.logits
    if trainer.world_size > 1:  # each rank predicts its own clips; the others are NaN there
        own = torch.from_numpy(logits).to(trainer.strategy.root_device)
        logits = trainer.strategy.all_gather(own).nanmean(dim=0).cpu().numpy()
    found = {}
    for subset in subsets:
        if len(rows := data.rows[subset].numpy()):
            table = data.index.table.iloc[rows].reset_index(drop=True)
            found[subset] = ScoredPredictions(table, logits[rows], data.labels)
    return found
