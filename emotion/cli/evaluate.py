"""The command `evaluate`: judges runs, on their own clips or others, and other tools' answers."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emotion.cli.commands import OK
from emotion.config.composition import Config
from emotion.data.datamodule import EmotionDataModule, build_datamodule
from emotion.data.splits.base import TEST, VAL, Split
from emotion.data.splits.protocols import FileSplit
from emotion.errors import ConfigError, RunError
from emotion.evaluation.compare import compare
from emotion.evaluation.external_predictions import read_predictions
from emotion.evaluation.leaks import Audit, audit_split
from emotion.evaluation.scored_predictions import ScoredPredictions
from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.load_model import open_model
from emotion.runs.report import write_report
from emotion.runs.run import Run, find_run, training_clips
from emotion.runs.test_access_log import fingerprint_clips, record_test_access, test_accesses
from emotion.training.collect_predictions import predict_subsets
from emotion.training.lightning_trainer import build_predicting_trainer, quiet_lightning
from emotion.utils.files import folder_name, write_json, write_text
from emotion.utils.tables import read_table, write_table

log = logging.getLogger(__name__)

OWN = "test"


def run(config: Config) -> int:
    """Judge a run; return the exit code."""
    print(evaluate(config))
    return OK


def evaluate(config: Config) -> str:
    """Judge what the settings name; return what a person wants to know of it."""
    output_root = Path(config["output_root"])
    if config["predictions"]:
        return evaluate_predictions(config)
    names = config["run"]
    if isinstance(names, list):
        return compare_runs([find_run(name, output_root) for name in names])
    run = find_run(names, output_root)
    if config["perturb"]:
        return evaluate_perturbed(run, config)
    return evaluate_run(run, config)


def evaluate_run(run: Run, config: Config) -> str:
    """Judge a run on its own test clips or another dataset's; write RUN/evaluate/<name>/.

    Raises:
        RunError: a run without test clips.
    """
    settings = run.config.replaced(
        {
            "cache_dir": config["cache_dir"],
            "trainer.accelerator": config["accelerator"],
        }
    )
    if config.get("dataset") is not None:
        labels = {"dataset": config["dataset"] | {"labels": list(run.labels)}}
        data = build_datamodule(settings.replaced(labels))
        data.prepare_data()
        data.divide(Split(pd.Series(TEST, index=data.index.table.index)))
        audit = audit_split(data.table, allow_leak=True, heard=training_clips(run))
        name = folder_name("-".join(sorted(set(data.index.table["corpus"]))))
    else:
        _check_tested(run)
        protocol = FileSplit(path=str(run.folder / "split.csv"), val_fraction=0)
        data = build_datamodule(settings, protocol=protocol)
        data.setup()
        audit = Audit(tuple(run.metrics.get("audit", {}).get("leaks", ())))
        name = OWN
    test_accesses = _record_test_access(
        data.table, Path(config["output_root"]), by=str(run.folder.resolve())
    )
    outcome = ask(run, settings, data)
    temperature = _temperature(run)
    folder = run.folder / "evaluate" / name
    figures = outcome.figures(temperature)
    write_table(folder / "predictions.csv", outcome.predictions(temperature))
    write_json(folder / "metrics.json", {TEST: figures, "leaks": bool(audit.leaks)})
    if run.finished:
        write_report(run)
    lines = [_headline(name, figures, test_accesses, leaks=bool(audit.leaks)), f"in {folder}"]
    return "\n".join([*lines, *(f"LEAKS: {leak}" for leak in audit.leaks)])


def ask(run: Run, settings: Config, data: EmotionDataModule) -> ScoredPredictions:
    """Return what a run's best model says of the datamodule's test clips."""
    model = open_model(run)
    trainer = build_predicting_trainer(settings)
    data.place_on(trainer.strategy.root_device)
    with quiet_lightning():
        return predict_subsets(trainer, model, data)[TEST]


def compare_runs(runs: Sequence[Run]) -> str:
    """Compare two runs on the test clips that they share; write A/evaluate/against_<B>/.

    Raises:
        ConfigError: not two runs.
    """
    if len(runs) != 2:
        raise ConfigError(f"run=[A,B] compares two runs, not {len(runs)}.")
    first, second = runs
    names = (first.folder.name, second.folder.name)
    found = compare(first.predictions, second.predictions, names=names)
    leaks = [run.folder.name for run in runs if run.leaks]
    folder = first.folder / "evaluate" / f"against_{second.folder.name}"
    write_json(folder / "comparison.json", found.as_dict() | {"leaks": bool(leaks)})
    mark = f"\nLEAKS: {', '.join(leaks)}" if leaks else ""
    return f"{found.sentence()}{mark}\nin {folder}"


def evaluate_predictions(config: Config) -> str:
    """Judge one or two files of another tool, on a split file; write outputs/evaluate/<stem>/."""
    if not config["split.path"]:
        raise ConfigError(
            "predictions= needs split.path=FILE: who is in the test, and who trained."
        )
    path = Path(config["split.path"]).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no split file split.path={path}.")
    split = read_table(path)
    lacking = sorted({"path", "corpus", "speaker", "emotion", "subset"} - set(split))
    if lacking:
        raise ConfigError(f"{path} lacks {', '.join(lacking)}: intervals are over speakers.")
    audit = audit_split(split.assign(text=""), allow_leak=True)
    output_root = Path(config["output_root"])
    names = config["predictions"]
    files = [Path(name).expanduser() for name in (names if isinstance(names, list) else [names])]
    lines, tables = [], []
    for file in files:
        outcome = read_predictions(file, split)
        test_accesses = _record_test_access(split, output_root, by=str(file.resolve()))
        figures = outcome.figures(1.0)
        folder = output_root / "evaluate" / file.stem
        predictions = outcome.predictions(1.0)
        write_table(folder / "predictions.csv", predictions)
        found: dict[str, Any] = {
            TEST: figures,
            "leaks": bool(audit.leaks),
            "audit": audit.as_dict(),
        }
        write_json(folder / "metrics.json", found)
        write_table(folder / "split.csv", split)
        described = {
            "dataset": {"labels": list(outcome.labels), "root": config["data_root"]},
            "split": {"_target_": "emotion.data.splits.protocols.FileSplit", "path": str(path)},
            "output_root": config["output_root"],
        }
        write_text(folder / "config.yaml", Config.of(described).yaml())
        write_report(Run(folder))
        tables.append(predictions)
        lines += [
            _headline(file.stem, figures, test_accesses, leaks=bool(audit.leaks)),
            f"in {folder}",
        ]
    if len(files) == 2:
        names = (files[0].stem, files[1].stem)
        lines.append(compare(tables[0], tables[1], names=names).sentence())
    return "\n".join([*lines, *(f"LEAKS: {leak}" for leak in audit.leaks)])


def evaluate_perturbed(run: Run, config: Config) -> str:
    """Judge a run on its test clips under noise, rooms, codecs and the like, and renew its page."""
    from emotion.experiments.robustness import evaluate_conditions

    _check_tested(run)
    table = run.split
    _record_test_access(table, Path(config["output_root"]), by=str(run.folder.resolve()))
    curves = evaluate_conditions(run, names=config["perturb"], seed=config["seed"])
    folder = run.folder / "evaluate" / "perturbed"
    clean = float(run.metrics[TEST]["uar"])
    write_json(folder / "robustness.json", {"clean": clean, "curves": curves})
    rows = [{"perturbation": name, **point} for name, curve in curves.items() for point in curve]
    write_table(folder / "robustness.csv", pd.DataFrame(rows))
    if run.finished:
        write_report(run)
    lines = [f"{'clean':<28} UAR {clean:.1%}"]
    lines += [f"{row['label']:<28} UAR {row['uar']:.1%}" for row in rows]
    return "\n".join([*lines, f"in {folder}"])


def _check_tested(run: Run) -> None:
    if not run.metrics.get(TEST):
        raise RunError(
            f"{run.folder} is untested: test=false, or a split without test clips. Give dataset=…."
        )


def _temperature(run: Run) -> float:
    if not run.metrics:
        raise RunError(f"{run.folder} is not finished. Go on with it by resume={run.folder}.")
    calibrated = run.metrics.get(VAL)
    if calibrated is None:  # nothing validated: the model kept the temperature that it came with
        return float(read_checkpoint(run.best)["state_dict"]["temperature"])
    return float(calibrated["calibration"]["temperature"])


def _record_test_access(table: pd.DataFrame, output_root: Path, *, by: str) -> int:
    """Note in the ledger that test clips are opened; return how many have looked at them."""
    fingerprint = fingerprint_clips(table["path"][table["subset"] == TEST])
    record_test_access(output_root, fingerprint, by=by)
    return len(test_accesses(output_root, fingerprint))


def _headline(name: str, figures: dict[str, Any], test_accesses: int, *, leaks: bool) -> str:
    interval = figures["interval"]
    low, high = interval["uar_low"], interval["uar_high"]
    said = f"{low:.1%} to {high:.1%}" if low is not None else "none can be given"
    mark = "LEAKS  " if leaks else ""
    used = f"test set used by {test_accesses} run{'' if test_accesses == 1 else 's'}"
    return (
        f"{mark}{name}: UAR {figures['uar']:.1%} (95 % interval over {interval['speakers']} "
        f"speakers: {said}), WA {figures['wa']:.1%}, macro-F1 {figures['macro_f1']:.1%}; "
        f"{figures['n']:,} clips; {used}"
    )
