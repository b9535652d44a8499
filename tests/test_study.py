"""Studies without their runs: what the table marks, and a cell that fails."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.study import Cell, run_cell
from emotion.study_table import _mark_chosen, beside_recorded


def test_a_row_that_only_the_test_prefers_is_marked() -> None:
    table = pd.DataFrame({"row": list("abc"), "uar": [0.5, 0.7, 0.6], "val_uar": [0.4, 0.5, 0.6]})
    marked = _mark_chosen(table)["chosen"]
    assert list(marked) == ["", "best by its test score only", "chosen on validation"]
    agreed = _mark_chosen(table.assign(val_uar=table["uar"]))["chosen"]
    assert list(agreed) == ["", "chosen on validation", ""]


def test_recorded_figures_agree_within_either_interval_only() -> None:
    table = pd.DataFrame(
        {
            "row": list("abcde"),
            "uar": [0.5, 0.5, 0.5, 0.5, np.nan],
            "uar_low": [0.4, 0.4, np.nan, np.nan, np.nan],
            "uar_high": [0.6, 0.6, np.nan, np.nan, np.nan],
        }
    )
    recorded = table.assign(uar=[0.59, 0.61, 0.5, 0.501, 0.5], uar_low=np.nan, uar_high=np.nan)
    said = list(beside_recorded(table, recorded)["recorded"])
    assert said == ["agrees", "differs", "agrees", "no interval", ""]
    other = beside_recorded(table, recorded.assign(row=list("vwxyz")))
    assert set(other["recorded"]) == {""}


def test_any_failure_of_a_cell_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burn(*_: object) -> None:
        raise ZeroDivisionError("out of luck")

    monkeypatch.setattr("emotion.training.train", burn)
    cell = Cell(tmp_path / "cell", "", "cnn", 0, 0, ())
    run_cell(cell, threads=None)
    assert cell.failure == "ZeroDivisionError: out of luck"
    assert "Traceback" in (cell.folder / "train.log").read_text()
    assert json.loads((tmp_path / "cell.failed.json").read_text())
