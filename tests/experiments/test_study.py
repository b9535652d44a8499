"""Studies: their cells, their folder, and cells that fail."""

import errno
import json
from pathlib import Path

import pytest

from emotion.cli.main import run
from emotion.config.composition import compose
from emotion.experiments import study
from emotion.experiments.study import Cell, plan_cells, run_cell
from emotion.training import train as training


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


def test_a_full_disk_is_not_recorded_as_a_failure_of_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos")  # as torch does, which hides the disk's error

    monkeypatch.setattr(training, "train", no_room)
    cell = Cell(tmp_path / "cell", "", "cnn", 0, 0, ())
    with pytest.raises(RuntimeError):
        run_cell(cell, None, wait=True)
    assert not cell.failure


def test_every_failure_of_a_cell_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("emotion.training.train.train", fail)
    cell = Cell(tmp_path / "cell", "", "cnn", 0, 0, ())
    run_cell(cell, threads=None, wait=False)
    assert cell.failure == "ZeroDivisionError: by chance"
    assert "Traceback" in (cell.folder / "train.log").read_text()
    assert json.loads((tmp_path / "cell.failed.json").read_text())


def test_a_model_may_bring_its_own_trainer(tmp_path: Path) -> None:
    words = ["dataset.generate.speakers=6", "dataset.generate.sentences=3"]
    words += [f"output_root={tmp_path}", "study.models=[cnn,'crnn trainer=cosine']"]
    settings = compose("study", words).settings
    plain, own = plan_cells(settings.study, tmp_path, [*words[:2], f"cache_dir={tmp_path}/cache"])
    assert plain.row == "cnn"
    assert "trainer=half_cycle" in plain.overrides
    assert own.row == "crnn trainer=cosine"
    assert [word for word in own.overrides if "trainer=" in word] == ["trainer=cosine"]
