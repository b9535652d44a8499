"""Objects that one training run works with."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch

from emotion.config.composition import Config
from emotion.data.corpora.index import summarise_skipped
from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import SUBSETS
from emotion.errors import ConfigError
from emotion.evaluation.leaks import Audit, audit_split
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.runs.checkpoints import (
    read_checkpoint,
)
from emotion.runs.run import Run, find_run, training_clips
from emotion.training import environment
from emotion.training.lightning_trainer import build_trainer
from emotion.utils.distributed import is_first
from emotion.utils.files import write_json, write_text
from emotion.utils.tables import write_table

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
        if is_first() and (self.run.folder / "config.yaml").exists():
            write_json(self.run.folder / "timing.json", self.seconds)


@dataclass(frozen=True)
class Session:
    """What a run works with while it is under way."""

    config: Config
    run: Run
    data: EmotionDataModule
    model: EmotionClassifier
    trainer: L.Trainer
    audit: Audit
    timing: Timing


def _open_session(config: Config, run: Run, data: EmotionDataModule, timing: Timing) -> Session:
    """Return all that a run works with: the split audited, the data placed where it trains."""
    source = _source(config)
    heard = training_clips(source) if source else None
    audit = audit_split(data.table, allow_leak=config["split.allow_leak"], heard=heard)
    for note in (*_notes(data), *audit.leaks, *audit.remarks):
        log.info("%s%s", "LEAKS: " if note in audit.leaks else "", note)
    choice = config["loader.features"]
    if choice not in ("auto", "cached", "live"):
        raise ConfigError(f"loader.features={choice!r}: choose auto, cached or live.")
    inner = config.get("trainer.channels_last")
    if inner not in (None, True, False, "cpu", "cuda", "mps"):
        raise ConfigError(f"trainer.channels_last={inner!r}: choose true, false, cpu, cuda or mps.")
    L.seed_everything(config["seed"], workers=True, verbose=False)
    model = build_model(
        config,
        optimizer=config.build("trainer.optimizer"),
        schedule=config.build("trainer.schedule") if config["trainer.schedule"] else None,
        label_smoothing=config["trainer.label_smoothing"],
        mixup=config["trainer.mixup"],
    )
    if config.get("trainer.compile"):
        model.embed = torch.compile(model.embed)  # type: ignore[method-assign]
    if config.get("trainer.label_mask"):
        model.set_label_mask(data.known_classes())
    if config.get("trainer.frozen"):
        if not config["init_from"]:
            raise ConfigError(
                f"trainer.frozen={config['trainer.frozen']} keeps the weights that a run starts "
                "from, and this one starts from none. Set init_from=RUN."
            )
        model.freeze_part(config["trainer.frozen"])
    with timing.part("data"):
        trainer = build_trainer(config, run, data)
        device = trainer.strategy.root_device
        cached = choice == "cached" or (choice == "auto" and device.type == "cpu")
        data.place_on(device, model.features if cached and model.features.cacheable else None)
    if inner in (True, device.type):
        model.to(memory_format=torch.channels_last)
    return Session(config, run, data, model, trainer, audit, timing)


def _source(config: Config) -> Run | None:
    """Return the run whose weights this one starts from, if there is one."""
    name = config["init_from"]
    return find_run(name, Path(config["output_root"])) if name else None


def _set_out(session: Session) -> None:
    """Give a fresh model what it starts from: weights, and what is known of the training clips."""
    config, data, model = session.config, session.data, session.model
    if other := _source(config):
        model.take_weights(read_checkpoint(other.best)["state_dict"], other.labels)
    else:
        model.load_initial_weights()
        if model.normalise in ("train", "level"):
            model.set_normalisation(*data.feature_statistics(model.features))
    if config["trainer.class_weights"]:
        model.set_class_weights(data.class_counts())


def _write_beginning(session: Session) -> None:
    """Write what a run is, before its first step; config.yaml, the last, makes it a run."""
    config, run, data, model = session.config, session.run, session.data, session.model
    parameters = sum(parameter.numel() for parameter in model.parameters())
    licences = dict(data.dataset.licences)
    if other := _source(config):  # what binds the weights that it starts from binds its own
        licences = other.environment.get("licences", {}) | licences
    described = environment.describe() | {
        "seed": config["seed"],
        "choices": dict(config.choices),
        "fingerprints": {"index": data.index.fingerprint, "cache": data.cache.key},
        "notes": _notes(data),
        "parameters": parameters,
        "licences": licences,
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
        model.features.rows,
        model.features.columns,
        ", ".join(f"{counts.get(part, 0):,} {part}" for part in SUBSETS),
    )


def _notes(data: EmotionDataModule) -> list[str]:
    """Return what a reader must know of the clips and their division."""
    return [*data.index.notes, *summarise_skipped(data.index.skipped), *data.split.notes]
