"""The command `evaluate`: a run on its own test clips, or on another dataset."""

import logging
from pathlib import Path

import pandas as pd

from emotion.config import Config
from emotion.corpora.splits import TEST, FileSplit, Split
from emotion.datamodule import EmotionDataModule, build_datamodule
from emotion.errors import RunError
from emotion.evaluation.outcome import Outcome
from emotion.files import write_json, write_table
from emotion.runs import Run, find_run, open_model
from emotion.trainer import build_judge, predict_subsets, quiet_lightning

log = logging.getLogger(__name__)

OWN = "test"


def evaluate(config: Config) -> str:
    """Judge a run, write RUN/evaluate/<name>/, return the headline.

    Raises:
        RunError: no such run, or one without test clips.
    """
    run = find_run(config["run"], Path(config["output_root"]))
    other = config.get("dataset")
    settings = run.config.replaced(
        {
            "cache_dir": config["cache_dir"],
            "data_root": config["data_root"],
            "trainer.accelerator": config["accelerator"],
        }
    )
    if other is not None:
        settings = settings.with_node("dataset", config).replaced(
            {"dataset.labels": list(run.labels)}
        )
        data = build_datamodule(settings)
        data.prepare_data()
        data.divide(Split(pd.Series(TEST, index=data.index.table.index)))
    else:
        if not run.metrics.get(TEST):
            raise RunError(
                f"{run.folder} is untested: its split has no test clips. Give dataset=…."
            )
        data = build_datamodule(settings, protocol=FileSplit(path=str(run.folder / "split.csv")))
        data.setup()
    name = OWN if other is None else "-".join(sorted(set(data.index.table["corpus"])))
    outcome = judge(run, settings, data)
    temperature = float(run.metrics["val"]["calibration"]["temperature"])
    folder = run.folder / "evaluate" / name
    figures = outcome.figures(temperature)
    write_table(folder / "predictions.csv", outcome.predictions(temperature))
    write_json(folder / "metrics.json", {TEST: figures})
    return (
        f"{name}: UAR {figures['uar']:.1%}, WA {figures['wa']:.1%}, "
        f"macro-F1 {figures['macro_f1']:.1%} ({figures['n']:,} clips)\nin {folder}"
    )


def judge(run: Run, settings: Config, data: EmotionDataModule) -> Outcome:
    """Return what a run's best model says of the datamodule's test clips."""
    model = open_model(run)
    trainer = build_judge(settings)
    data.place_on(trainer.strategy.root_device)
    with quiet_lightning():
        return predict_subsets(trainer, model, data)[TEST]
