"""Tests the best epoch of a run: temperature, metrics and predictions."""

from pathlib import Path
from typing import Any

from emotion.data.segments import clip_names
from emotion.data.splits.base import TEST, VAL
from emotion.evaluation.shortcuts import probe_shortcuts
from emotion.metrics.calibration import fit_temperature
from emotion.runs.checkpoints import read_checkpoint, write_checkpoint
from emotion.runs.load_model import load_weights
from emotion.runs.test_access_log import fingerprint_clips, record_test_access
from emotion.training import environment
from emotion.training.collect_predictions import predict_subsets
from emotion.training.session import Session
from emotion.utils.distributed import is_rank_zero
from emotion.utils.files import write_json
from emotion.utils.tables import write_table


def test_run(session: Session) -> None:
    """Test the best epoch; write metrics.json and predictions.csv.

    The temperature is fitted on validation clips. The access to the test clips is recorded.
    """
    settings, run, data, model = session.settings, session.run, session.data, session.model
    test = data.table["subset"] == TEST
    if settings.test and test.any() and is_rank_zero():
        fingerprint = fingerprint_clips(clip_names(data.table)[test])
        record_test_access(Path(settings.output_root), fingerprint, by=str(run.folder.resolve()))
    # Only rank zero knows the folder, where torchrun or SLURM started all ranks at once.
    best = Path(session.trainer.strategy.broadcast(str(run.best.absolute())))
    checkpoint = read_checkpoint(best)
    load_weights(model, checkpoint, run.folder)
    subsets = (VAL, TEST) if settings.test else (VAL,)
    scored = predict_subsets(session.trainer, model, data, subsets=subsets)
    if not is_rank_zero():
        return
    temperature = float(model.temperature)  # without validation clips: that of the initial weights
    if VAL in scored:
        temperature = fit_temperature(scored[VAL].logits, scored[VAL].target)
    model.temperature.fill_(temperature)
    checkpoint["state_dict"]["temperature"] = model.temperature.cpu()
    write_checkpoint(run.best, checkpoint)
    by_subset = {subset: each.metrics(temperature) for subset, each in scored.items()}
    shortcuts = probe_shortcuts(data.table if settings.test else data.table[~test])
    metrics: dict[str, Any] = {
        **by_subset,
        "best_epoch": checkpoint["epoch"],
        "leaks": bool(session.audit.leaks),
        "audit": session.audit.as_dict(),
        "shortcuts": shortcuts.as_dict() if shortcuts else None,
    }
    if TEST in scored:
        write_table(run.folder / "predictions.csv", scored[TEST].predictions(temperature))
    write_json(run.folder / "metrics.json", metrics)
    final = {  # named apart from the curves: loggers put them at step 0
        f"final/{subset}_{name}": values[name]
        for subset, values in by_subset.items()
        for name in ("uar", "wa", "macro_f1")
    }
    for logger in session.trainer.loggers:
        environment.log_hyperparameters(logger, settings, final)
