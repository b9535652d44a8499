"""The command `evaluate`: scores runs on test clips, other datasets or perturbed audio."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from emotion.cli.commands import OK
from emotion.config.composition import Composition
from emotion.config.schema import EvaluateSettings, TrainSettings
from emotion.data.corpora.label_counts import describe_left_out
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.segments import TIME_TYPES, clip_names
from emotion.data.splits.base import TEST, VAL, Split
from emotion.data.splits.protocols import FileSplit
from emotion.errors import ConfigError, RunError
from emotion.evaluation.compare import compare_predictions
from emotion.evaluation.external_predictions import read_predictions, read_split
from emotion.evaluation.leaks import Audit, audit_split
from emotion.evaluation.perturbations import list_conditions
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.models.base import EmotionClassifier
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.load_model import open_model
from emotion.runs.references import add_reference
from emotion.runs.report import ReportData, report_data, write_report
from emotion.runs.run import Run, find_run, training_clips
from emotion.runs.test_access_log import fingerprint_clips, record_test_access, test_accesses
from emotion.training.collect_predictions import predict_subsets
from emotion.training.lightning_trainer import build_predicting_trainer, quiet_lightning
from emotion.utils.files import folder_name, write_json
from emotion.utils.tables import read_table, write_table

OWN = "test"


def run(composition: Composition[EvaluateSettings]) -> int:
    """Score runs or predictions; return the exit code."""
    print(evaluate(composition.settings))
    return OK


def evaluate(settings: EvaluateSettings) -> str:
    """Return the scores of the runs or predictions that the settings name, as text."""
    output_root = Path(settings.output_root)
    if settings.predictions:
        return evaluate_predictions(settings)
    if isinstance(settings.run, list):
        return compare_runs([_tested_folder(name, output_root) for name in settings.run])
    run = find_run(settings.run, output_root, moved_root=settings.moved_root)
    if settings.perturb:
        return evaluate_perturbed(run, settings)
    return evaluate_run(run, settings)


def evaluate_run(run: Run, settings: EvaluateSettings) -> str:
    """Score a run on its test clips or another dataset; write RUN/evaluate/<name>/.

    Raises:
        RunError: a run without test clips, or one that is not finished.
    """
    model, temperature = open_model(run), _temperature(run)
    trainer = replace(run.settings.trainer, accelerator=settings.accelerator)
    own = replace(run.settings, cache_dir=settings.cache_dir, trainer=trainer)
    if (dataset := settings.chosen_dataset) is not None:
        own = replace(own, dataset={**dataset, "labels": list(run.labels)})
        data = build_datamodule(own)
        data.prepare_data()
        data.use_split(Split(pd.Series(TEST, index=data.index.table.index)))
        audit = audit_split(data.table, allow_leak=True, trained_on=training_clips(run))
        name = folder_name("-".join(sorted(set(data.index.table["corpus"]))))
    else:
        _check_tested(run)
        protocol = FileSplit(path=str(run.split_file), val_fraction=0)
        data = build_datamodule(own, protocol=protocol)
        data.setup()
        found = run.metrics["audit"]
        audit = Audit(tuple(found["leaks"]), tuple(found["remarks"]), found["not_checkable"])
        name = OWN
    accesses = _record_test_access(data.table, settings, by=run.folder)
    scored = predict_test_clips(model, own, data)
    folder = run.folder / "evaluate" / name
    metrics = scored.metrics(temperature)
    write_table(folder / "predictions.csv", scored.predictions(temperature))
    audited = {"leaks": bool(audit.leaks), "audit": audit.as_dict()}
    left_out = dict(data.index.left_out)
    write_json(folder / "metrics.json", {TEST: metrics, **audited, "left_out": left_out})
    if run.finished:
        write_report(report_data(Run(run.folder, run.moved_root)), run.folder)
    lines = [_headline(name, metrics, accesses, leaks=bool(audit.leaks)), f"in {folder}"]
    if data.index.left_out and settings.dataset is not None:
        total = len(data.index.table) + sum(data.index.left_out.values())
        lines.append(f"of {total:,} clips, {describe_left_out(data.index.left_out)}")
    if audit.not_checkable:
        lines.append(f"leakage not checkable: {audit.not_checkable:,} clips of unknown speakers")
    return "\n".join([*lines, *(f"LEAKS: {leak}" for leak in audit.leaks)])


def predict_test_clips(
    model: EmotionClassifier, settings: TrainSettings, data: EmotionDataModule
) -> ScoredPredictions:
    """Return the predictions of a model for the test clips of a datamodule."""
    own = settings.trainer
    trainer = build_predicting_trainer(accelerator=own.accelerator, precision=own.precision)
    data.place_on(trainer.strategy.root_device)
    with quiet_lightning():
        return predict_subsets(trainer, model, data)[TEST]


def compare_runs(folders: Sequence[Path]) -> str:
    """Compare two folders on the test clips that they share; write A/evaluate/against_<B>/.

    Args:
        folders: of runs, or of evaluated predictions of other tools.

    Raises:
        ConfigError: not two folders.
    """
    if len(folders) != 2:
        raise ConfigError(f"run=[A,B] compares two runs, not {len(folders)}.")
    first, second = (read_table(folder / "predictions.csv", TIME_TYPES) for folder in folders)
    names = (folders[0].name, folders[1].name)
    found = compare_predictions(first, second, names=names)
    leaks = [folder.name for folder in folders if Run(folder).leaks]
    folder = folders[0] / "evaluate" / f"against_{names[1]}"
    add_reference(folders[1], by=folder / "comparison.json")
    write_json(folder / "comparison.json", found.as_dict() | {"leaks": bool(leaks)})
    mark = f"\nLEAKS: {', '.join(leaks)}" if leaks else ""
    return f"{found.sentence()}{mark}\nin {folder}"


def evaluate_predictions(settings: EvaluateSettings) -> str:
    """Score one or two files of another tool on a split file; write outputs/evaluate/<stem>/.

    Raises:
        ConfigError: no split file, or columns that it lacks.
    """
    if not settings.split.path:
        raise ConfigError(
            "predictions= needs split.path=FILE, with the subset of every clip (train, val, test)."
        )
    path = Path(settings.split.path).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no split file split.path={path}.")
    split, merged = read_split(path)
    audit = audit_split(split.assign(text=""), allow_leak=True)
    audited = {"leaks": bool(audit.leaks), "audit": audit.as_dict(), "split_path": str(path)}
    given = settings.predictions
    files = [Path(name).expanduser() for name in (given if isinstance(given, list) else [given])]
    stems = [folder_name(file.stem) for file in files]
    if len(set(stems)) < len(stems):
        raise ConfigError(
            f"the files of predictions= have one name: their results would both be written to "
            f"{settings.output_root}/evaluate/{stems[0]}. Rename one of them."
        )
    lines, tables = merged, []
    for file, scored in [(file, read_predictions(file, split)) for file in files]:
        accesses = _record_test_access(split, settings, by=file)
        metrics = scored.metrics(1.0)
        folder = Path(settings.output_root) / "evaluate" / folder_name(file.stem)
        data = ReportData(
            name=file.name,
            model=file.stem,
            dataset=", ".join(sorted(set(split["corpus"]))),
            split_name=path.name,
            labels=scored.labels,
            metrics={TEST: metrics, **audited},
            split=split,
            predictions=scored.predictions(1.0),
            audio_root=Path(settings.data_root),
            split_description=FileSplit.description,
            test_accesses=accesses,
        )
        write_table(folder / "predictions.csv", data.predictions)
        write_table(folder / "split.csv", split)
        add_reference(path, by=folder / "metrics.json")
        write_json(folder / "metrics.json", data.metrics)
        write_report(data, folder)
        tables.append(data.predictions)
        lines += [_headline(file.stem, metrics, accesses, leaks=bool(audit.leaks)), f"in {folder}"]
    if len(files) == 2:
        names = (files[0].stem, files[1].stem)
        lines.append(compare_predictions(tables[0], tables[1], names=names).sentence())
    return "\n".join([*lines, *(f"LEAKS: {leak}" for leak in audit.leaks)])


def evaluate_perturbed(run: Run, settings: EvaluateSettings) -> str:
    """Score a run on perturbed test clips (noise, rooms, codecs, gain), and renew its report."""
    from emotion.experiments.robustness import evaluate_conditions

    _check_tested(run)
    conditions = list_conditions(settings.perturb)
    _record_test_access(run.split, settings, by=run.folder)
    curves = evaluate_conditions(run, conditions, seed=settings.seed)
    folder = run.folder / "evaluate" / "perturbed"
    clean = float(run.metrics[TEST]["uar"])
    write_json(folder / "robustness.json", {"clean": clean, "curves": curves})
    rows = [{"perturbation": name, **point} for name, curve in curves.items() for point in curve]
    write_table(folder / "robustness.csv", pd.DataFrame(rows))
    if run.finished:
        write_report(report_data(Run(run.folder, run.moved_root)), run.folder)
    lines = [f"{'clean':<28} UAR {clean:.1%}"]
    lines += [f"{row['label']:<28} UAR {row['uar']:.1%}" for row in rows]
    return "\n".join([*lines, f"in {folder}"])


def _tested_folder(name: str, output_root: Path) -> Path:
    """Return the folder of a run, or of evaluated predictions, that has predictions.csv."""
    folder = Path(name).expanduser()
    if not (folder / "predictions.csv").is_file():
        folder = find_run(name, output_root).folder
    if not (folder / "predictions.csv").is_file():
        raise RunError(f"{folder} has no predictions.csv: the run is untested or unfinished.")
    return folder


def _check_tested(run: Run) -> None:
    if not run.metrics.get(TEST):
        raise RunError(
            f"{run.folder} is untested: test=false, or a split without test clips. Give dataset=…."
        )


def _temperature(run: Run) -> float:
    if not run.metrics:
        raise RunError(f"{run.folder} is not finished. Resume it by resume={run.folder}.")
    calibrated = run.metrics.get(VAL)
    if calibrated is None:  # without validation clips: that of the initial weights
        return float(read_checkpoint(run.best)["state_dict"]["temperature"])
    return float(calibrated["calibration"]["temperature"])


def _record_test_access(table: pd.DataFrame, settings: EvaluateSettings, *, by: Path) -> int:
    """Record an access to test clips; return the number of runs that have used them."""
    output_root = Path(settings.output_root)
    fingerprint = fingerprint_clips(clip_names(table)[table["subset"] == TEST])
    record_test_access(output_root, fingerprint, by=str(by.resolve()))
    return len(test_accesses(output_root, fingerprint))


def _headline(name: str, metrics: dict[str, Any], accesses: int, *, leaks: bool) -> str:
    interval = metrics["interval"]
    low, high = interval["uar_low"], interval["uar_high"]
    shown = f"{low:.1%} to {high:.1%}" if low is not None else "too few speakers"
    mark = "LEAKS  " if leaks else ""
    used = f"test set used by {accesses} run{'' if accesses == 1 else 's'}"
    return (
        f"{mark}{name}: UAR {metrics['uar']:.1%} (95 % interval over {interval['speakers']} "
        f"speakers: {shown}), WA {metrics['wa']:.1%}, macro-F1 {metrics['macro_f1']:.1%}; "
        f"{metrics['n']:,} clips; {used}"
    )
