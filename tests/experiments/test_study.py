"""Studies without their runs: what the table marks, and a cell that fails."""

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.cli.main import run
from emotion.config.composition import composed
from emotion.experiments import study
from emotion.experiments.study import Cell, plan_cells, run_cell
from emotion.experiments.study_table import Finished, _mark_chosen, beside_recorded, tabulate
from emotion.runs.run import Run
from emotion.training import train as training
from emotion.utils.files import write_json, write_text
from emotion.utils.tables import write_table


def test_a_row_that_only_the_test_prefers_is_marked() -> None:
    table = pd.DataFrame({"row": list("abc"), "uar": [0.5, 0.7, 0.6], "val_uar": [0.4, 0.5, 0.6]})
    marked = _mark_chosen(table)["chosen"]
    assert list(marked) == ["", "best by its test score only", "chosen on validation"]
    agreed = _mark_chosen(table.assign(val_uar=table["uar"]))["chosen"]
    assert list(agreed) == ["", "chosen on validation", ""]


def test_an_ensemble_is_marked_neither_way() -> None:
    table = pd.DataFrame({"row": list("abc"), "uar": [0.5, 0.6, 0.9], "val_uar": [0.6, 0.5, None]})
    marked = _mark_chosen(table)["chosen"]
    assert list(marked) == ["chosen on validation", "best by its test score only", ""]


def finished(folder: Path, row: str, seed: int, right: float) -> Finished:
    """Return a cell of eight speakers, 20 clips each, that is right so often, never surely."""
    rng = np.random.default_rng(seed)
    target = np.tile([0, 1], 80)
    chance = rng.uniform(0.5, 0.9, 160)
    p_true = np.where(rng.random(160) < right, chance, (1 - chance) / 2 + 0.2)
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
    write_json(folder / "metrics.json", {"test": {"uar": 0.5}, "val": {"uar": 0.6}})
    write_json(folder / "environment.json", {"parameters": 1000})
    write_text(folder / "config.yaml", "dataset: {labels: [a, b]}\n")
    write_text(folder / "report.html", "")
    return Finished("", row, 0, seed, Run(folder))


@pytest.mark.parametrize("name", ["../../x", "..", ".", "", "/etc/x", "a/../../x"])
def test_a_study_never_leaves_its_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    words = ["study", f"name='{name}'", f"output_root={tmp_path}/a/b/c"]
    assert run(words) == 1
    assert "must name a folder below" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_cell_starts_from_the_weights_that_the_study_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells: list[Cell] = []
    monkeypatch.setattr(study, "_run_cells", lambda of, **_: cells.extend(of))
    words = ["name=x", "init_from=before", "study.seeds=[0,1]", f"output_root={tmp_path}"]
    run(["study", *words, "dataset.generate.speakers=6", "dataset.generate.sentences=2"])
    assert len(cells) >= 2
    assert all("init_from=" in " ".join(cell.overrides) for cell in cells)


def test_a_full_disk_fails_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos")  # as torch does, which hides the disk's error

    monkeypatch.setattr(training, "train", no_room)
    cell = Cell(tmp_path / "cell", "", "cnn", 0, 0, ())
    with pytest.raises(RuntimeError):
        run_cell(cell, None, wait=True)
    assert not cell.failure


def test_seeds_together_stand_beside_their_mean(tmp_path: Path) -> None:
    cells = [
        finished(tmp_path / f"{row}{seed}", row, seed, right)
        for row, right in (("weak", 0.5), ("strong", 0.7))
        for seed in range(3)
    ]
    table = tabulate([*cells, finished(tmp_path / "once", "once", 0, 0.6)])
    together = [f"{row}, 3 seeds together" for row in ("weak", "strong")]
    assert list(table["row"]) == ["weak", together[0], "strong", together[1], "once"]
    table = table.set_index("row")
    members = [cell.run.predictions for cell in cells if cell.row == "strong"]
    mean = sum(each["p_a"] for each in members) / 3
    right = (mean >= 0.5) == (members[0]["target"] == "a")
    by_class = right.groupby(members[0]["target"]).mean()
    assert table["uar"][together[1]] == pytest.approx(by_class.mean())
    gained = table["uar"][together[1]] - table["uar"]["weak"]
    assert table["difference"][together[1]] == pytest.approx(gained)
    assert table["uar"][together[1]] > table["uar"]["strong"], "seeds err on different clips"
    assert table["uar_low"][together[1]] < table["uar"][together[1]]
    assert table["seeds"][together[1]] == 1
    assert table["parameters"][together[1]] == 3000


def test_a_model_that_every_speaker_trained_is_not_chosen_on_validation(tmp_path: Path) -> None:
    cells = [
        finished(tmp_path / f"{row}{seed}", row, seed, 0.6)
        for row in ("all train", "some validate")
        for seed in range(2)
    ]
    for cell in cells[:2]:
        write_json(cell.run.folder / "metrics.json", {"test": {"uar": 0.5}})
    table = tabulate(cells).set_index("row")
    assert np.isnan(table["val_uar"]["all train"])
    assert table["val_uar"]["some validate"] == pytest.approx(0.6)
    assert (table["uar"] > 0).all()
    assert not table["chosen"].any()


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

    monkeypatch.setattr("emotion.training.train.train", burn)
    cell = Cell(tmp_path / "cell", "", "cnn", 0, 0, ())
    run_cell(cell, threads=None, wait=False)
    assert cell.failure == "ZeroDivisionError: out of luck"
    assert "Traceback" in (cell.folder / "train.log").read_text()
    assert json.loads((tmp_path / "cell.failed.json").read_text())


def test_a_model_may_bring_its_own_trainer(tmp_path: Path) -> None:
    words = ["dataset.generate.speakers=6", "dataset.generate.sentences=3"]
    words += [f"output_root={tmp_path}", "study.models=[cnn,'crnn trainer=cosine']"]
    with composed("study", words) as config:
        plain, own = plan_cells(config, tmp_path, [*words[:2], f"cache_dir={tmp_path}/cache"])
    assert plain.row == "cnn"
    assert "trainer=half_cycle" in plain.overrides
    assert own.row == "crnn trainer=cosine"
    assert [word for word in own.overrides if "trainer=" in word] == ["trainer=cosine"]
