"""Lightning's trainer as this project uses it: to fit a model, and to ask one what it says."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    WeightAveraging,
)
from torch import Tensor

from emotion.callbacks import (
    EpochLines,
    History,
    SampleImages,
    StepSeeds,
    moving_average,
)
from emotion.checkpoints import BEST, LAST, SafeCheckpointIO
from emotion.config import Config
from emotion.corpora.splits import TEST, TRAIN, VAL
from emotion.datamodule import EmotionDataModule
from emotion.errors import ConfigError
from emotion.evaluation.outcome import Outcome
from emotion.models.base import EmotionClassifier
from emotion.runs import Run
from emotion.usage import Usage


def build_trainer(config: Config, run: Run, data: EmotionDataModule) -> L.Trainer:
    """Return the trainer that fits a run, with its callbacks, loggers and checkpoints."""
    settings = config["trainer"]
    stopping = settings["early_stopping"]
    keep = config.get("trainer.keep") or "best"
    if keep not in ("best", "last"):
        raise ConfigError(f"trainer.keep={keep!r}: choose best or last.")
    chosen = {"monitor": stopping["monitor"], "mode": stopping["mode"]}
    checkpoints = run.folder / "checkpoints"
    callbacks: list[Callback] = [
        StepSeeds(config["seed"]),
        EarlyStopping(stopping["monitor"], mode=stopping["mode"], patience=stopping["patience"]),
        EpochLines(len(data.rows[TRAIN])),
        Usage(),
        History(run.folder / "history.csv"),
        ModelCheckpoint(
            checkpoints,
            filename=BEST.removesuffix(".ckpt"),
            **(chosen if keep == "best" else {"mode": "max"}),  # unmonitored, it takes every epoch
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        ModelCheckpoint(
            checkpoints,
            filename=LAST.removesuffix(".ckpt"),
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if settings["ema_decay"] is not None:
        callbacks.append(WeightAveraging(avg_fn=moving_average(settings["ema_decay"])))
    loggers = config.build_all("logger", folder=run.folder)
    if loggers:
        callbacks += [LearningRateMonitor("step"), SampleImages()]
    with quiet_lightning():
        return L.Trainer(
            accelerator=settings["accelerator"],
            devices=settings["devices"],
            num_nodes=settings["num_nodes"],
            strategy=settings["strategy"],
            precision=settings["precision"],
            max_epochs=settings["max_epochs"],
            gradient_clip_val=settings["gradient_clip"],
            overfit_batches=settings["overfit_batches"],
            fast_dev_run=settings["fast_dev_run"],
            detect_anomaly=settings["detect_anomaly"],
            callbacks=callbacks,
            logger=loggers,
            plugins=[SafeCheckpointIO()],
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, min(10, len(data.rows[TRAIN]) // data.batch_size)),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=run.folder,
        )


def build_judge(config: Config) -> L.Trainer:
    """Return a trainer that only predicts, and leaves nothing behind."""
    with quiet_lightning():
        return L.Trainer(
            accelerator=config["trainer.accelerator"],
            devices=1,
            precision=config["trainer.precision"],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )


def predict_subsets(
    trainer: L.Trainer, model: EmotionClassifier, data: EmotionDataModule
) -> dict[str, Outcome]:
    """Return what the model says of the validation and the test clips, by subset."""
    parts = [part for part in (VAL, TEST) if len(data.rows[part])]
    answers = trainer.predict(model, datamodule=data)
    if len(parts) == 1:
        answers = [answers]
    return {
        part: outcome_of(answer, data) for part, answer in zip(parts, answers or [], strict=True)
    }


def outcome_of(
    answers: Sequence[tuple[Tensor, Tensor]], data: EmotionDataModule
) -> Outcome:
    """Return an outcome of the batches that `predict_step` answered."""
    rows = torch.cat([rows.cpu() for rows, _ in answers]).numpy()
    logits = torch.cat([logits.cpu() for _, logits in answers]).double().numpy()
    order = np.argsort(rows)
    return Outcome(
        data.index.table.iloc[rows[order]].reset_index(drop=True), logits[order], data.labels
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says of every run; what goes wrong it still says."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # batches are gathered: workers only cost
            ".*Checkpoint directory .* exists and is not empty.*",  # it does when resumed
            ".*`overfit_batches` is on.*",
            ".*LeafSpec.*is deprecated.*",  # inside Lightning
        ):
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            logger.setLevel(level)
