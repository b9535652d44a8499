"""One run: from a composition to a run folder with its checkpoints, figures and report."""

import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from torch import Tensor

from emotion import environment
from emotion.callbacks import EpochLines, History, SampleImages, StepSeeds
from emotion.checkpoints import (
    BEST,
    LAST,
    SafeCheckpointIO,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from emotion.config import Config
from emotion.corpora.index import summarise_skipped
from emotion.corpora.splits import SUBSETS, TEST, TRAIN, VAL, FileSplit, Split
from emotion.datamodule import EmotionDataModule
from emotion.errors import ConfigError, RunError
from emotion.evaluation.metrics import fit_temperature
from emotion.evaluation.outcome import Outcome
from emotion.evaluation.report import write_report
from emotion.files import write_table, write_text
from emotion.models.base import EmotionClassifier
from emotion.progress import bars
from emotion.runs import Run, build_model, find_run, load_weights

log = logging.getLogger(__name__)

SPLIT_COLUMNS = ["path", "corpus", "speaker", "emotion", "subset"]


class Timing:
    """Seconds of each part of a run, summed over resumes; timing.json once there is a run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.seconds = run.timing

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.add({name: spent})

    def add(self, seconds: dict[str, float]) -> None:
        """Take figures over, and write all of them."""
        self.seconds |= seconds
        if (self.run.folder / "config.yaml").exists():
            write_json(self.run.folder / "timing.json", self.seconds)


def train(config: Config, folder: Path) -> Run:
    """Fit, test and report a new run in `folder`; return it.

    Raises:
        RunError: the folder holds a run already.
        EmotionError: anything else that is the user's to mend, in words.
    """
    run = Run(folder)
    if (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a run already. Go on with it by resume={folder}.")
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.setup()
    config = config.replaced({"dataset.labels": list(data.labels)})
    for note in _notes(data):
        log.info("%s", note)
    L.seed_everything(config["seed"], workers=True, verbose=False)
    model = _build_model(config)
    with timing.part("data"):
        trainer = _connect(config, run, data, model)
    _set_out(model, data, config)
    _write_beginning(run, config, data, model)
    return _run_parts(trainer, model, data, run, timing, checkpoint=None)


def resume(run: Run, overrides: Sequence[str]) -> Run:
    """Go on with a run, from its newest checkpoint to its report; return it.

    Args:
        run: what to go on with; a finished one is left as it is.
        overrides: of the command line; those that would change data, labels or model are refused.
    """
    if run.finished:
        log.info("%s is finished", run.folder)
        return run
    config = run.config.overridden(overrides)
    if config != run.config:
        write_text(run.folder / "config.yaml", config.yaml())
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.prepare_data()
        data.divide(_saved_split(run, data))
    L.seed_everything(config["seed"], workers=True, verbose=False)
    model = _build_model(config)
    with timing.part("data"):
        trainer = _connect(config, run, data, model)
    checkpoint = None
    folder = run.folder / "checkpoints"
    if any(folder.glob("*.ckpt")):
        checkpoint = newest_checkpoint(folder)
        state = read_checkpoint(checkpoint)
        log.info("resumed at epoch %d, step %d", state["epoch"] + 1, state["global_step"])
    else:
        _set_out(model, data, config)
        log.info("resumed at epoch 0, step 0")
    return _run_parts(trainer, model, data, run, timing, checkpoint=checkpoint)


@contextmanager
def logged_to(folder: Path) -> Iterator[None]:
    """Write log lines to `folder`/train.log too, after those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def summary(run: Run) -> str:
    """Return what a person wants to know first of a run: its score and where its report is."""
    lines = []
    for part, name in ((TEST, "test"), (VAL, "validation")):
        figures = run.metrics.get(part)
        if not figures:
            continue
        low, high = figures["interval"]["uar_low"], figures["interval"]["uar_high"]
        speakers = figures["interval"]["speakers"]
        interval = (
            f"95 % interval over {speakers} speakers {low:.1%} to {high:.1%}"
            if low is not None
            else f"no interval: {speakers} speakers are too few"
        )
        lines.append(f"{name} UAR {figures['uar']:.1%} ({interval}; {figures['n']:,} clips)")
    if run.metrics and TEST not in run.metrics:
        lines.insert(0, "untested: this split has no test clips")
    if run.finished:
        lines.append(f"report: {run.folder / 'report.html'}")
    return "\n".join(lines)


def _run_parts(
    trainer: L.Trainer,
    model: EmotionClassifier,
    data: EmotionDataModule,
    run: Run,
    timing: Timing,
    *,
    checkpoint: Path | None,
) -> Run:
    """Do what a run still lacks: fit, test, report."""
    with quiet_lightning():
        with timing.part("fit"):
            if checkpoint is None or not _ended(read_checkpoint(checkpoint), run.config):
                trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        if trainer.fast_dev_run:
            log.info("one batch went through; trainer=debug leaves no figures")
            return run
        timing.add(next(c for c in trainer.callbacks if isinstance(c, EpochLines)).rates())
        with timing.part("test"):
            _test(trainer, model, data, run)
    with timing.part("report"):
        write_report(run)
    return run


def _build_model(config: Config) -> EmotionClassifier:
    """Return the model with what training it needs."""
    return build_model(
        config,
        optimizer=config.build("trainer.optimizer"),
        schedule=config.build("trainer.schedule") if config["trainer.schedule"] else None,
        label_smoothing=config["trainer.label_smoothing"],
    )


def _connect(
    config: Config, run: Run, data: EmotionDataModule, model: EmotionClassifier
) -> L.Trainer:
    """Return the trainer, the data placed where it trains."""
    choice = config["loader.features"]
    if choice not in ("auto", "cached", "live"):
        raise ConfigError(f"loader.features={choice!r}: choose auto, cached or live.")
    with quiet_lightning():
        trainer = build_trainer(config, run, data)
    device = trainer.strategy.root_device
    cached = choice == "cached" or (choice == "auto" and device.type == "cpu")
    data.place_on(device, model.features if cached else None)
    return trainer


def _set_out(model: EmotionClassifier, data: EmotionDataModule, config: Config) -> None:
    """Give a fresh model what it starts from: weights, and what is known of the training clips."""
    if config["init_from"]:
        other = find_run(config["init_from"], Path(config["output_root"]))
        model.take_weights(read_checkpoint(other.best)["state_dict"], other.labels)
    else:
        model.load_initial_weights()
        if model.normalise == "train":
            model.set_normalisation(*data.feature_statistics(model.features))
    if config["trainer.class_weights"]:
        model.set_class_weights(data.class_counts())


def _notes(data: EmotionDataModule) -> list[str]:
    """Return what a reader must know of the clips and their division."""
    return [*data.index.notes, *summarise_skipped(data.index.skipped), *data.split.notes]


def build_datamodule(config: Config, **changes: Any) -> EmotionDataModule:
    """Return the datamodule that a composition describes; `changes` replace its parts."""
    parts: dict[str, Any] = {
        "dataset": lambda: config.build("dataset"),
        "standardiser": lambda: config.build("preprocessing"),
        "protocol": lambda: config.build("split"),
    }
    return EmotionDataModule(
        **{name: changes[name] if name in changes else make() for name, make in parts.items()},
        cache_dir=Path(config["cache_dir"]),
        batch_size=config["loader.batch_size"],
        num_workers=config["loader.num_workers"],
        place=config["loader.place"],
        seed=config["seed"],
        progress=bars,
    )


def build_trainer(config: Config, run: Run, data: EmotionDataModule) -> L.Trainer:
    """Return Lightning's trainer with this project's callbacks, loggers and checkpoints."""
    settings = config["trainer"]
    stopping = settings["early_stopping"]
    checkpoints = run.folder / "checkpoints"
    callbacks: list[Callback] = [
        StepSeeds(config["seed"]),
        EarlyStopping(stopping["monitor"], mode=stopping["mode"], patience=stopping["patience"]),
        EpochLines(len(data.rows[TRAIN])),
        History(run.folder / "history.csv"),
        ModelCheckpoint(
            checkpoints,
            filename=BEST.removesuffix(".ckpt"),
            monitor=stopping["monitor"],
            mode=stopping["mode"],
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
    loggers = config.build_all("logger", folder=run.folder)
    if loggers:
        callbacks += [LearningRateMonitor("step"), SampleImages()]
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


def _write_beginning(
    run: Run, config: Config, data: EmotionDataModule, model: EmotionClassifier
) -> None:
    """Write what a run is, before its first step; config.yaml, the last, makes it a run."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    described = environment.describe() | {
        "seed": config["seed"],
        "fingerprints": {"index": data.index.fingerprint, "cache": data.cache.key},
        "notes": _notes(data),
        "parameters": parameters,
        "licences": dict(data.dataset.licences),
    }
    write_json(run.folder / "environment.json", described)
    write_table(run.folder / "split.csv", data.table[SPLIT_COLUMNS])
    write_table(run.folder / "skipped.csv", data.index.skipped)
    write_text(run.folder / "config.yaml", config.yaml())
    counts = data.table["subset"].value_counts()
    log.info(
        "%s, %s parameters, input (1, %d, %d); clips: %s",
        type(model).__name__,
        f"{parameters:,}",
        model.features.n_mels,
        model.features.frames,
        ", ".join(f"{counts.get(part, 0):,} {part}" for part in SUBSETS),
    )


def _saved_split(run: Run, data: EmotionDataModule) -> Split:
    """Return the division that a run began with.

    Raises:
        RunError: the clips are no longer those that it began with.
    """
    began = run.environment.get("fingerprints", {}).get("index")
    if began != data.index.fingerprint:
        raise RunError(
            f"the clips under {data.index.root} are not those that {run.folder} began with. "
            "Bring them back, or start a new run."
        )
    split = FileSplit(path=str(run.folder / "split.csv")).assign(data.index.table)
    return Split(split.subset)


def _ended(state: dict[str, Any], config: Config) -> bool:
    """Return whether training had come to its end when a checkpoint was written."""
    if state["epoch"] + 1 >= config["trainer.max_epochs"]:
        return True
    stopping = [value for key, value in state["callbacks"].items() if key.startswith("EarlyStopping")]
    patience = config["trainer.early_stopping.patience"]
    return any(callback["wait_count"] >= patience for callback in stopping)


def _test(
    trainer: L.Trainer, model: EmotionClassifier, data: EmotionDataModule, run: Run
) -> None:
    """Judge the best epoch: temperature from validation, figures of validation and of test."""
    checkpoint = read_checkpoint(run.best)
    load_weights(model, checkpoint, run.folder)
    outcomes = predict_subsets(trainer, model, data)
    temperature = fit_temperature(outcomes[VAL].logits, outcomes[VAL].target)
    model.temperature.fill_(temperature)
    checkpoint["state_dict"]["temperature"] = model.temperature.cpu()
    write_checkpoint(run.best, checkpoint)
    metrics: dict[str, Any] = {
        part: outcome.figures(temperature) for part, outcome in outcomes.items()
    }
    metrics["best_epoch"] = checkpoint["epoch"]
    if TEST in outcomes:
        write_table(run.folder / "predictions.csv", outcomes[TEST].predictions(temperature))
    write_json(run.folder / "metrics.json", metrics)
    for logger in trainer.loggers:
        final = {
            f"{part}/{name}": outcome_figures[name]
            for part, outcome_figures in metrics.items()
            if isinstance(outcome_figures, dict)
            for name in ("uar", "wa", "macro_f1")
        }
        environment.log_hyperparameters(logger, run.config, final)


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


def outcome_of(answers: Sequence[tuple[Tensor, Tensor, Tensor]], data: EmotionDataModule) -> Outcome:
    """Return an outcome of the batches that `predict_step` answered."""
    rows = torch.cat([rows.cpu() for rows, _, _ in answers]).numpy()
    logits = torch.cat([logits.cpu() for _, logits, _ in answers]).double().numpy()
    order = np.argsort(rows)
    return Outcome(
        data.index.table.iloc[rows[order]].reset_index(drop=True), logits[order], data.labels
    )


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON, floats to the last bit, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


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


