"""Objects that one training run works with, and the files that it writes before its first step."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch

from emotion.config.build import build
from emotion.config.saved_settings import save_settings
from emotion.config.schema import TrainSettings
from emotion.data.corpora.index import summarise_skipped
from emotion.data.corpora.label_counts import label_notes
from emotion.data.datamodule import EmotionDataModule
from emotion.data.segments import TIMES
from emotion.data.splits.base import SUBSETS
from emotion.errors import ConfigError
from emotion.evaluation.leaks import Audit, audit_split
from emotion.models.base import EmotionClassifier
from emotion.models.build import build_model
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.references import add_reference
from emotion.runs.run import SPLIT, Run, find_run, training_clips
from emotion.training import environment
from emotion.training.lightning_trainer import build_trainer
from emotion.utils.distributed import is_rank_zero
from emotion.utils.files import file_digest, write_json
from emotion.utils.tables import write_table

log = logging.getLogger(__name__)

SPLIT_COLUMNS = ["path", *TIMES, "corpus", "speaker", "speakers_of", "emotion", "subset"]


class Timing:
    """Seconds of each part of a run, summed over resumes; written to timing.json.

    Nothing is written before `start`, so that a run that is refused stays as it is.
    """

    def __init__(self, run: Run) -> None:
        self.folder = run.folder
        self.seconds = dict(run.timing)
        self.started = False

    def start(self) -> None:
        """Write the seconds from here on."""
        self.started = True

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to a part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.add({name: spent})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Set values, and write all of them once the run has started."""
        self.seconds |= seconds
        if is_rank_zero() and self.started:
            write_json(self.folder / "timing.json", self.seconds)


@dataclass(frozen=True)
class Session:
    """Objects of a run that is being trained; `initial` is the run of its initial weights."""

    settings: TrainSettings
    run: Run
    data: EmotionDataModule
    model: EmotionClassifier
    trainer: L.Trainer
    audit: Audit
    timing: Timing
    initial: Run | None


def open_session(
    settings: TrainSettings, run: Run, data: EmotionDataModule, timing: Timing
) -> Session:
    """Return the session of a run: its split audited, its data placed on the training device.

    Raises:
        LeakError: the split leaks, and is not allowed to.
        ConfigError: settings that do not fit one another.
        RunError: the run of `init_from` does not exist.
    """
    initial = None
    if settings.init_from:
        initial = find_run(settings.init_from, Path(settings.output_root))
    known = training_clips(initial) if initial else None
    audit = audit_split(
        data.table,
        allow_leak=data.protocol.allow_leak,
        trained_on=known,
        mixes_speakers=data.protocol.mixes_speakers,
    )
    for note in (*data_notes(data), *audit.remarks):
        log.info(note)
    for leak in audit.leaks:
        log.info("LEAKS: %s", leak)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    model = _build_model(settings, data)
    with timing.part("data"):
        trainer = build_trainer(settings, run.folder, data)
        device = trainer.strategy.root_device
        choice = settings.loader.features
        cached = choice == "cached" or (choice == "auto" and device.type == "cpu")
        data.place_on(device, model.features if cached and model.features.cacheable else None)
    if settings.trainer.channels_last in (True, device.type):
        model.to(memory_format=torch.channels_last)
    return Session(settings, run, data, model, trainer, audit, timing, initial)


def initialise_weights(session: Session) -> None:
    """Set the initial weights of a model, and the statistics of the training clips."""
    data, model, initial = session.data, session.model, session.initial
    if initial:
        model.take_weights(read_checkpoint(initial.best)["state_dict"], initial.labels)
    else:
        model.load_initial_weights()
        if model.normalise in ("train", "level"):
            model.set_normalisation(*data.feature_statistics(model.features))
    if session.settings.trainer.class_weights:
        model.set_class_weights(data.class_counts())


def write_run_files(session: Session, choices: Mapping[str, str]) -> None:
    """Write the files of a run that exist before its first step; config.yaml is the last."""
    settings, data, model = session.settings, session.data, session.model
    parameters = sum(parameter.numel() for parameter in model.parameters())
    licences = dict(data.dataset.licences)
    if session.initial:  # the licences of the initial weights hold for this run too
        licences = session.initial.environment["licences"] | licences
    folder = session.run.folder
    columns = [name for name in SPLIT_COLUMNS if name in data.table]
    write_table(folder / SPLIT, data.table[columns])
    described = environment.describe_environment() | {
        "seed": settings.seed,
        "choices": dict(choices),
        "fingerprints": {
            "index": data.index.fingerprint,
            "cache": data.cache.key,
            "split": file_digest(folder / SPLIT),
        },
        "notes": data_notes(data),
        "parameters": parameters,
        "licences": licences,
    }
    write_json(folder / "environment.json", described)
    write_table(folder / "skipped.csv", data.index.skipped)
    if session.initial:
        add_reference(session.initial.folder, by=folder / "config.yaml")
    if settings.split.get("path"):
        add_reference(Path(settings.split["path"]), by=folder / "config.yaml")
    save_settings(folder / "config.yaml", settings)
    counts = data.table["subset"].value_counts()
    clips = ", ".join(f"{counts.get(subset, 0):,} {subset}" for subset in SUBSETS)
    name, features = type(model).__name__, model.features
    shape = f"input (1, {features.rows}, {features.columns})"
    log.info("%s, %s parameters, %s; clips: %s", name, f"{parameters:,}", shape, clips)


def data_notes(data: EmotionDataModule) -> list[str]:
    """Return notes on the clips and their split for log and report."""
    warnings = label_notes(data.index, data.split.subset)
    return [*warnings, *data.index.notes, *summarise_skipped(data.index.skipped), *data.split.notes]


def with_found(settings: TrainSettings, data: EmotionDataModule) -> TrainSettings:
    """Return the settings with the classes that were found, and the folder of the clips."""
    found = {"labels": list(data.labels), "root": str(data.dataset.root)}
    return replace(settings, dataset={**settings.dataset, **found})


def _build_model(settings: TrainSettings, data: EmotionDataModule) -> EmotionClassifier:
    """Return the untrained model of a run, with its optimizer, schedule and loss."""
    trainer = settings.trainer
    schedule = build(trainer.schedule, "trainer.schedule") if trainer.schedule else None
    model = build_model(
        settings.model,
        settings.labels,
        optimizer=build(trainer.optimizer, "trainer.optimizer"),
        schedule=schedule,
        label_smoothing=trainer.label_smoothing,
        mixup=trainer.mixup,
    )
    if trainer.compile:
        model.embed = torch.compile(model.embed)  # type: ignore[method-assign]
    if trainer.label_mask:
        model.set_label_mask(data.known_classes())
    if trainer.frozen:
        if not settings.init_from:
            raise ConfigError(
                f"trainer.frozen={trainer.frozen} keeps initial weights of another run. "
                "Set init_from=RUN."
            )
        model.freeze_part(trainer.frozen)
    return model
