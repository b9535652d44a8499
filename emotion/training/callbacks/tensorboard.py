"""TensorBoard curves of resumed runs and sample images."""

from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from emotion.data.batch import Batch


class TensorBoardCurves(Callback):
    """Keeps the loggers' curves those of a run that was never stopped.

    What they hold is on the disk before a checkpoint counts on it; what they were told after the
    checkpoint that a run goes on from, they are told again.
    """

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                start = SessionLog(status=SessionLog.START)
                event = Event(step=trainer.global_step, session_log=start)
                logger.experiment.file_writer.add_event(event, step=trainer.global_step)

    def on_save_checkpoint(self, trainer: L.Trainer, *_: Any) -> None:
        for logger in trainer.loggers:
            logger.save()


class SampleImages(Callback):
    """Shows TensorBoard the first batch as the network sees it, augmented."""

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Batch, index: int
    ) -> None:
        if trainer.global_step:
            return
        with torch.no_grad():
            image = module.image(batch.x[:16])[:, :1].float().cpu()
            image = image.flip(-2)  # low bands at the bottom
        low, high = image.amin((-2, -1), keepdim=True), image.amax((-2, -1), keepdim=True)
        images = (image - low) / (high - low).clamp(min=1e-6)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_images("augmented", images, 0)
