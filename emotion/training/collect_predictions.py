"""Collects the predictions of a model on subsets."""

from collections.abc import Sequence
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    BasePredictionWriter,
)

from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import TEST, VAL
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.models.base import EmotionClassifier


class LogitsCollector(BasePredictionWriter):
    """Takes the logits of every clip as they come, into one array made beforehand.

    Kept batch by batch, each small answer would lie in the room that a batch's spectrograms had
    left, and the next batch would need new room: megabytes a batch.
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
    parts: Sequence[str] = (VAL, TEST),
) -> dict[str, ScoredPredictions]:
    """Return what the model says of the clips of some subsets, by subset; no other is opened."""
    data.asked = tuple(parts)
    if not data.predict_dataloader():
        return {}
    answers = LogitsCollector(len(data.index.table), len(data.labels))
    callbacks = getattr(trainer, "callbacks")  # noqa: B009 - Lightning sets it, undeclared
    callbacks.append(answers)
    trainer.predict(model, datamodule=data, return_predictions=False)
    callbacks.remove(answers)
    logits = answers.logits
    if trainer.world_size > 1:  # each clip was asked of one process, and is NaN in the others
        told = torch.from_numpy(logits).to(trainer.strategy.root_device)
        logits = trainer.strategy.all_gather(told).nanmean(dim=0).cpu().numpy()
    found = {}
    for part in parts:
        if len(rows := data.rows[part].numpy()):
            table = data.index.table.iloc[rows].reset_index(drop=True)
            found[part] = ScoredPredictions(table, logits[rows], data.labels)
    return found
