"""Tests the best epoch of a run."""

from pathlib import Path
from typing import Any

from emotion.data.splits.base import TEST, VAL
from emotion.evaluation.shortcuts import probe_shortcuts
from emotion.metrics.calibration import fit_temperature
from emotion.runs.checkpoints import read_checkpoint, write_checkpoint
from emotion.runs.load_model import load_weights
from emotion.runs.test_access_log import fingerprint_clips, record_test_access
from emotion.training import environment
from emotion.training.collect_predictions import predict_subsets
from emotion.training.session import Session
from emotion.utils.distributed import is_first
from emotion.utils.files import write_json
from emotion.utils.tables import write_table


def _test(session: Session) -> None:
    """Judge the best epoch: temperature from validation, figures of validation and of test."""
    run, data, model = session.run, session.data, session.model
    test = data.table["subset"] == TEST
    tested = session.config.get("test") is not False
    if tested and test.any() and is_first():
        fingerprint = fingerprint_clips(data.table["path"][test])
        record_test_access(
            Path(session.config["output_root"]), fingerprint, by=str(run.folder.resolve())
        )
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
