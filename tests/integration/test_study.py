"""A killed study ends with the table of a study without a stop."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from emotion.runs.run import Run
from emotion.utils.tables import read_table

SMALL = "mobilenet_v3 model.pretrained=false model.features.n_mels=32 model.features.frames=32"
GRID = [f"study.models=[cnn,'{SMALL}']", "study.folds=[0,1]", "study.seeds=[0,1]"]
TINY = ["dataset.generate.speakers=6", "dataset.generate.sentences=2", "trainer.max_epochs=1"]
WORDS = ["name=grid", "split=kfold", "split.folds=3", *GRID, *TINY]

pytestmark = pytest.mark.slow


def study(root: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emotion", "study", *WORDS, f"output_root={root}", *more]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def cells(root: Path) -> dict[str, int]:
    """Return the time of the last file of each finished cell."""
    written = (root / "studies" / "grid" / "cells").glob("*/metrics.json")
    return {
        path.parent.name: path.stat().st_mtime_ns for path in written if Run(path.parent).finished
    }


def table(root: Path) -> pd.DataFrame:
    return read_table(root / "studies" / "grid" / "table.csv").drop(columns="seconds")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    process = study(root)
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0, printed
    return root


def test_the_table_has_a_row_per_model_with_interval_and_paired_test(whole: Path) -> None:
    found = table(whole)
    ensembles = [f"{row}, 2 seeds together" for row in ("cnn", SMALL)]
    assert list(found["row"]) == ["cnn", ensembles[0], SMALL, ensembles[1]]
    assert set(found["cells"]) == {"4/4"}
    assert list(found["seeds"]) == ["2", "1", "2", "1"]
    assert set(found["speakers"]) == {"4"}
    assert found["difference"][1:].all()
    assert sorted(found["chosen"])[-1] == "chosen on validation"
    assert set(found["test_accesses"]) == {"4"}
    assert f"| {SMALL} |" in (whole / "studies" / "grid" / "table.md").read_text()
    assert (whole / "studies" / "grid" / "report.html").exists()


def test_a_killed_study_ends_with_the_same_table(whole: Path, tmp_path: Path) -> None:
    process = study(tmp_path)
    deadline = time.monotonic() + 300
    while len(cells(tmp_path)) < 3:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = cells(tmp_path)
    again = study(tmp_path)
    printed, _ = again.communicate(timeout=500)
    assert again.returncode == 0, printed
    assert {name: cells(tmp_path)[name] for name in before} == before
    pd.testing.assert_frame_equal(table(tmp_path), table(whole))


def test_side_by_side_gives_the_same_table(whole: Path, tmp_path: Path) -> None:
    process = study(tmp_path, "study.jobs=2")
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0, printed
    pd.testing.assert_frame_equal(table(tmp_path), table(whole))


def test_stopped_side_by_side_ends_at_once_and_goes_on_later(whole: Path, tmp_path: Path) -> None:
    process = study(tmp_path, "study.jobs=2")
    deadline = time.monotonic() + 300
    while not cells(tmp_path):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # to the program alone, as a scheduler may
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, printed
    assert len(cells(tmp_path)) < 8, printed
    printed, _ = study(tmp_path).communicate(timeout=500)
    pd.testing.assert_frame_equal(table(tmp_path), table(whole))


def test_two_processes_share_the_cells_of_one_study(tmp_path: Path) -> None:
    both = [study(tmp_path, "study.models=[cnn]") for _ in range(2)]
    printed = [process.communicate(timeout=500)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    worked = [text.count("epoch 1/1") for text in printed]
    assert sum(worked) == len(cells(tmp_path)) == 4, printed
    assert min(worked) > 0
    assert set(table(tmp_path)["cells"]) == {"4/4"}


def test_other_settings_want_another_name(whole: Path) -> None:
    process = study(whole, "trainer.label_smoothing=0.1")
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "Choose another name=" in printed


def test_protocols_stand_in_one_table_beside_the_recorded_one(tmp_path: Path) -> None:
    few = " ".join(TINY[:2])
    protocols = {
        "folds": f"split=kfold split.folds=3 {few}",
        "leaking": f"split=random {few}",
        "absent": "dataset=ravdess data_root=/nowhere",
    }
    told = ",".join(f"{name}: '{overrides}'" for name, overrides in protocols.items())
    words = ["name=many", f"study.protocols={{{told}}}", "study.folds=[0]", TINY[2]]
    command = [sys.executable, "-m", "emotion", "study", *words, f"output_root={tmp_path}"]
    first = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert first.returncode == 0, first.stderr
    assert "left out: absent: " in first.stdout
    file = tmp_path / "studies" / "many" / "table.csv"
    found = read_table(file)
    assert list(found["protocol"]) == ["folds", "leaking"]
    assert list(found["leaks"]) == ["False", "True"]
    before = tmp_path / "before.csv"
    before.write_bytes(file.read_bytes())
    again = subprocess.run(
        [*command, f"study.recorded={before}"], capture_output=True, text=True, timeout=500
    )
    assert again.returncode == 0, again.stderr
    assert list(read_table(file)["recorded"]) == ["agrees", "agrees"]
