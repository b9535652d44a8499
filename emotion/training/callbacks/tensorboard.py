"""TensorBoard curves of resumed runs, and images of the first batch."""

from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from emotion.data.batch import Batch

IMAGES = 16  # clips of the first batch that are logged as images


class TensorBoardCurves(Callback):
    """Makes the curves of a resumed run equal to those of a run without a stop.

    Values are flushed to the disk before a checkpoint is written; values logged after the
    checkpoint are removed from the curves when the run is resumed, and logged again.
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
    """Logs the network input of the first batch, with augmentation, as images."""

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Batch, index: int
    ) -> None:
        if trainer.global_step:
            return
        with torch.no_grad():
            image, _ = module.image(batch.x[:IMAGES], batch.length[:IMAGES])
            image = image[:, :1].float().cpu().flip(-2)  # low bands at the bottom
        low, high = image.amin((-2, -1), keepdim=True), image.amax((-2, -1), keepdim=True)
        images = (image - low) / (high - low).clamp(min=1e-6)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_images("augmented", images, 0)
