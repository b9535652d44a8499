"""Table of a study: pooling, comparisons, marks and the recorded table."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.config.composition import compose, to_yaml
from emotion.experiments.study_table import (
    CellRun,
    _mark_chosen,
    compare_with_recorded,
    tabulate_protocol,
)
from emotion.runs.run import FINISHED, Run
from emotion.utils.files import write_json, write_text
from emotion.utils.tables import write_table


@cache
def settings_text() -> str:
    return to_yaml(compose("train", ["dataset.labels=[a,b]"]).settings)


def finished_cell(folder: Path, row: str, seed: int, right: float) -> CellRun:
    """Return a finished cell: eight speakers, 20 clips each, a fraction `right` of them correct."""
    rng = np.random.default_rng(seed)
    target = np.tile([0, 1], 80)
    p_right = rng.uniform(0.5, 0.9, 160)
    p_true = np.where(rng.random(160) < right, p_right, (1 - p_right) / 2 + 0.2)
    p_a = np.where(target == 0, p_true, 1 - p_true)
    table = pd.DataFrame(
        {
            "path": [f"{clip}.wav" for clip in range(160)],
            "corpus": "x",
            "speaker": [f"s{clip // 20}" for clip in range(160)],
            "target": np.array(["a", "b"])[target],
            "predicted": np.where(p_a >= 0.5, "a", "b"),
            "p_a": p_a,
            "p_b": 1 - p_a,
        }
    )
    write_table(folder / "predictions.csv", table)
    metrics = {"status": FINISHED, "test": {"uar": 0.5}, "val": {"uar": 0.6}}
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "environment.json", {"parameters": 1000})
    write_text(folder / "config.yaml", settings_text())
    return CellRun("", row, 0, seed, Run(folder))


def test_a_row_that_is_best_by_its_test_score_only_is_marked() -> None:
    table = pd.DataFrame({"row": list("abc"), "uar": [0.5, 0.7, 0.6], "val_uar": [0.4, 0.5, 0.6]})
    marked = _mark_chosen(table)["chosen"]
    assert list(marked) == ["", "best by its test score only", "chosen on validation"]
    agreed = _mark_chosen(table.assign(val_uar=table["uar"]))["chosen"]
    assert list(agreed) == ["", "chosen on validation", ""]


def test_an_ensemble_is_never_marked() -> None:
    table = pd.DataFrame({"row": list("abc"), "uar": [0.5, 0.6, 0.9], "val_uar": [0.6, 0.5, None]})
    marked = _mark_chosen(table)["chosen"]
    assert list(marked) == ["chosen on validation", "best by its test score only", ""]


def test_an_ensemble_of_seeds_follows_the_mean_of_the_seeds(tmp_path: Path) -> None:
    cells = [
        finished_cell(tmp_path / f"{row}{seed}", row, seed, right)
        for row, right in (("weak", 0.5), ("strong", 0.7))
        for seed in range(3)
    ]
    table = tabulate_protocol([*cells, finished_cell(tmp_path / "once", "once", 0, 0.6)])
    ensembles = [f"{row}, 3 seeds together" for row in ("weak", "strong")]
    assert list(table["row"]) == ["weak", ensembles[0], "strong", ensembles[1], "once"]
    table = table.set_index("row")
    members = [cell.run.predictions for cell in cells if cell.row == "strong"]
    mean = sum(each["p_a"] for each in members) / 3
    right = (mean >= 0.5) == (members[0]["target"] == "a")
    by_class = right.groupby(members[0]["target"]).mean()
    assert table["uar"][ensembles[1]] == pytest.approx(by_class.mean())
    gain = table["uar"][ensembles[1]] - table["uar"]["weak"]
    assert table["difference"][ensembles[1]] == pytest.approx(gain)
    assert table["uar"][ensembles[1]] > table["uar"]["strong"], "seeds err on different clips"
    assert table["uar_low"][ensembles[1]] < table["uar"][ensembles[1]]
    assert table["seeds"][ensembles[1]] == 1
    assert table["parameters"][ensembles[1]] == 3000


def test_a_model_without_validation_clips_is_not_chosen_on_validation(tmp_path: Path) -> None:
    cells = [
        finished_cell(tmp_path / f"{row}{seed}", row, seed, 0.6)
        for row in ("all train", "some validate")
        for seed in range(2)
    ]
    for cell in cells[:2]:
        write_json(cell.run.folder / "metrics.json", {"status": FINISHED, "test": {"uar": 0.5}})
    table = tabulate_protocol(cells).set_index("row")
    assert np.isnan(table["val_uar"]["all train"])
    assert table["val_uar"]["some validate"] == pytest.approx(0.6)
    assert (table["uar"] > 0).all()
    assert not table["chosen"].any()


def test_recorded_values_agree_only_within_either_interval() -> None:
    table = pd.DataFrame(
        {
            "row": list("abcde"),
            "uar": [0.5, 0.5, 0.5, 0.5, np.nan],
            "uar_low": [0.4, 0.4, np.nan, np.nan, np.nan],
            "uar_high": [0.6, 0.6, np.nan, np.nan, np.nan],
        }
    )
    recorded = table.assign(uar=[0.59, 0.61, 0.5, 0.501, 0.5], uar_low=np.nan, uar_high=np.nan)
    agreement = list(compare_with_recorded(table, recorded)["recorded"])
    assert agreement == ["agrees", "differs", "agrees", "no interval", ""]
    other = compare_with_recorded(table, recorded.assign(row=list("vwxyz")))
    assert set(other["recorded"]) == {""}
