"""A run finds its clips from every folder, and where they were moved."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from emotion.cli.main import run
from emotion.runs.run import Run
from tests.support.trained import Train


@pytest.fixture(scope="module")
def home(finished: Run, train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips, a table of them, and `out/run`, trained there with relative paths."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(finished.clips_root, folder / "own" / "wav")
    table = finished.split[["path", "speaker", "emotion"]]
    table.assign(path="wav/" + table["path"]).to_csv(folder / "own" / "table.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["dataset=csv", "dataset.path=own/table.csv", "output_root=out"]
        words += ["hydra.run.dir=out/run", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
        assert run(["train", *words]) == 0
    return folder


COMMANDS = {
    "evaluate": "test: UAR",
    "evaluate perturb=gain": "clean",
    "export clips=8": "on 8 test clips",
    "predict speech_gate=false {clip}": "p_sad",
}


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("moved", [False, True])
def test_a_run_of_a_table_opens_its_clips_from_another_folder_and_where_they_were_moved(
    line: str,
    moved: bool,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = shutil.copytree(home / "out" / "run", tmp_path / "run")
    clips, words = home / "own", []
    if moved:
        clips = shutil.copytree(home / "own", tmp_path / "moved")
        environment = json.loads((source / "environment.json").read_text())
        environment["started_in"] = str(tmp_path / "gone")
        (source / "environment.json").write_text(json.dumps(environment))
        words = [f"dataset.root={clips}"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    line = line.format(clip=next((clips / "wav").glob("*.wav")))
    cache = f"cache_dir={home}/out/cache"
    assert run([*line.split(), f"run={source}", "output_root=o", cache, *words]) == 0
    printed = capfd.readouterr()
    assert "synthetic" not in printed.err
    if line.startswith("predict"):
        assert (source / "profile.json").is_file()
    else:
        assert COMMANDS[line] in printed.out


def test_a_stopped_run_resumes_from_another_folder_with_its_clips_moved(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shutil.copytree(home / "out" / "run", tmp_path / "run")
    clips = shutil.copytree(home / "own", tmp_path / "moved")
    for name in ("metrics.json", "predictions.csv"):
        (source / name).unlink()
    environment = json.loads((source / "environment.json").read_text())
    environment["started_in"] = str(tmp_path / "gone")
    (source / "environment.json").write_text(json.dumps(environment))
    monkeypatch.chdir(tmp_path)
    words = [f"resume={source}", f"dataset.root={clips}", f"cache_dir={home}/out/cache"]
    assert run(["train", *words]) == 0
    pd.testing.assert_frame_equal(Run(source).predictions, Run(home / "out" / "run").predictions)


def test_clips_that_are_not_there_are_named_with_the_setting_for_their_folder(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"run={home}/out/run", f"output_root={tmp_path}", f"dataset.root={tmp_path}/none"]
    assert run(["evaluate", "perturb=gain", *words]) == 1
    assert (
        f"are not under {tmp_path}/none. Give their folder: dataset.root=" in capfd.readouterr().err
    )
