"""One run: from a composition to a run folder with its checkpoints, figures and report."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import torch

from emotion import environment
from emotion.callbacks import EpochLines
from emotion.checkpoints import (
    drop_after,
    epochs_done,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from emotion.config import Config
from emotion.corpora.index import summarise_skipped
from emotion.corpora.protocol import SUBSETS, TEST, VAL, Split
from emotion.corpora.splits import FileSplit
from emotion.datamodule import EmotionDataModule, build_datamodule
from emotion.errors import ConfigError, RunError
from emotion.evaluation.audit import Audit, audit_split, probe_shortcuts
from emotion.evaluation.ledger import fingerprint_clips, record_look
from emotion.evaluation.metrics import fit_temperature
from emotion.evaluation.report import write_report
from emotion.files import write_json, write_text
from emotion.holding import same_threads
from emotion.models.base import EmotionClassifier
from emotion.ranks import is_first
from emotion.runs import Run, build_model, find_run, heard_clips, load_weights
from emotion.tables import write_table
from emotion.trainer import build_trainer, others_ended, predict_subsets, quiet_lightning
from emotion.usage import Usage

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


def train(config: Config, folder: Path) -> Run:
    """Fit, test and report a new run in `folder`; return it.

    Raises:
        LeakError: the split leaks, and is not allowed to.
        RunError: the folder holds a run already.
        EmotionError: anything else that is the user's to mend, in words.
    """
    run = Run(folder)
    if is_first() and (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a run already. Go on with it by resume={folder}.")
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.setup()
    if len(data.labels) < 2:
        raise ConfigError(
            f"there is one class, {data.labels[0]}: nothing to tell apart. Give dataset.labels two "
            "or more, and a folder or a row of the table for each."
        )
    config = config.replaced({"dataset.labels": list(data.labels)})
    session = _open_session(config, run, data, timing)
    _set_out(session)
    if is_first():
        _write_beginning(session)
    return _run_parts(session, checkpoint=None)


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
    if is_first() and config != run.config:
        write_text(run.folder / "config.yaml", config.yaml())
    with same_threads(run):
        return _go_on(run, config)


@contextmanager
def logged_to(folder: Path) -> Iterator[None]:
    """Write the first process' log lines to `folder`/train.log too, after those that are there."""
    if not is_first():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
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
        told_not_to = run.config.get("test") is False
        why = "test=false" if told_not_to else "this split has no test clips"
        also = "" if VAL in run.metrics else ", nor any to validate on"
        lines.insert(0, f"untested: {why}{also}")
    if run.finished:
        lines.append(f"report: {run.folder / 'report.html'}")
    return "\n".join(lines)


def _go_on(run: Run, config: Config) -> Run:
    timing = Timing(run)
    with timing.part("data"):
        data = build_datamodule(config)
        data.prepare_data()
        data.divide(_saved_split(run, data))
    session = _open_session(config, run, data, timing)
    checkpoint = newest_checkpoint(run.folder / "checkpoints")
    if checkpoint is None:
        _set_out(session)
        log.info("resumed at epoch 0, step 0")
    else:
        drop_after(checkpoint)
        state = read_checkpoint(checkpoint)
        log.info("resumed at epoch %d, step %d", epochs_done(state), state["global_step"])
    return _run_parts(session, checkpoint=checkpoint)


def _open_session(config: Config, run: Run, data: EmotionDataModule, timing: Timing) -> Session:
    """Return all that a run works with: the split audited, the data placed where it trains."""
    source = _source(config)
    heard = heard_clips(source) if source else None
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
        model.features.n_mels,
        model.features.frames,
        ", ".join(f"{counts.get(part, 0):,} {part}" for part in SUBSETS),
    )


def _run_parts(session: Session, *, checkpoint: Path | None) -> Run:
    """Do what a run still lacks: fit, test, report."""
    config, run, timing, trainer = session.config, session.run, session.timing, session.trainer
    with quiet_lightning():
        with timing.part("fit"):
            if checkpoint is None or not _ended(read_checkpoint(checkpoint), config):
                with others_ended(trainer):
                    trainer.fit(
                        session.model,
                        datamodule=session.data,
                        ckpt_path=checkpoint,
                        weights_only=True,
                    )
        if config["trainer.fast_dev_run"]:
            log.info("one batch went through; trainer=debug leaves no figures")
            return run
        for callback in getattr(trainer, "callbacks"):  # noqa: B009 - Lightning sets it, undeclared
            if isinstance(callback, EpochLines | Usage):
                timing.add(callback.rates())
        with timing.part("test"):
            _test(session)
    if is_first():
        with timing.part("report"):
            write_report(run)
    return run


def _test(session: Session) -> None:
    """Judge the best epoch: temperature from validation, figures of validation and of test."""
    run, data, model = session.run, session.data, session.model
    test = data.table["subset"] == TEST
    tested = session.config.get("test") is not False
    if tested and test.any() and is_first():
        fingerprint = fingerprint_clips(data.table["path"][test])
        record_look(Path(session.config["output_root"]), fingerprint, by=str(run.folder.resolve()))
    # Only the first process knows the folder, where torchrun or SLURM began them all at once.
    best = Path(session.trainer.strategy.broadcast(str(run.best.absolute())))
    checkpoint = read_checkpoint(best)
    load_weights(model, checkpoint, run.folder)
    parts = (VAL, TEST) if tested else (VAL,)
    outcomes = predict_subsets(session.trainer, model, data, parts=parts)
    if not is_first():
        return
    temperature = float(model.temperature)  # without validation clips, what it started from
    if VAL in outcomes:
        temperature = fit_temperature(outcomes[VAL].logits, outcomes[VAL].target)
    model.temperature.fill_(temperature)
    checkpoint["state_dict"]["temperature"] = model.temperature.cpu()
    write_checkpoint(run.best, checkpoint)
    figures = {part: outcome.figures(temperature) for part, outcome in outcomes.items()}
    shortcuts = probe_shortcuts(data.table if tested else data.table[~test])
    metrics: dict[str, Any] = {
        **figures,
        "best_epoch": checkpoint["epoch"],
        "leaks": bool(session.audit.leaks),
        "audit": session.audit.as_dict(),
        "shortcuts": shortcuts.as_dict() if shortcuts else None,
    }
    if TEST in outcomes:
        write_table(run.folder / "predictions.csv", outcomes[TEST].predictions(temperature))
    write_json(run.folder / "metrics.json", metrics)
    final = {  # in names of their own: a logger puts them at step 0, before the curves
        f"final/{part}_{name}": outcome[name]
        for part, outcome in figures.items()
        for name in ("uar", "wa", "macro_f1")
    }
    for logger in session.trainer.loggers:
        environment.log_hyperparameters(logger, session.config, final)


def _notes(data: EmotionDataModule) -> list[str]:
    """Return what a reader must know of the clips and their division."""
    return [*data.index.notes, *summarise_skipped(data.index.skipped), *data.split.notes]


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
    file = str(run.folder / "split.csv")
    split = FileSplit(path=file, val_fraction=0).assign(data.index.table)
    return Split(split.subset)


def _ended(state: dict[str, Any], config: Config) -> bool:
    """Return whether training had come to its end when a checkpoint was written."""
    if epochs_done(state) >= config["trainer.max_epochs"]:
        return True
    stopping = [
        value for key, value in state["callbacks"].items() if key.startswith("EarlyStopping")
    ]
    patience = config["trainer.early_stopping.patience"]
    return any(callback["wait_count"] >= patience for callback in stopping)
