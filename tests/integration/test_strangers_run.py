"""The run of another person: no command runs its code, and one's own run with own classes opens."""

import os
import sys
from pathlib import Path

import pytest

import emotion
from emotion.cli.main import run
from emotion.errors import ConfigError
from emotion.runs.run import Run
from tests.integration.test_extension import MODEL, MODEL_CODE
from tests.support.archive import write_clip
from tests.support.runs import write_run

COMMANDS = {
    "predict": "predict run={run} {clip}",
    "ensemble": "predict run=[{run},{run}] {clip}",
    "embed": "embed run={run} {clip} output={root}/out.csv",
    "evaluate": "evaluate run={run}",
    "evaluate another dataset": "evaluate run={run} dataset=synthetic",
    "perturb": "evaluate run={run} perturb=[white_noise]",
    "export": "export run={run}",
    "benchmark": "benchmark run={run} repeats=1 seconds=0.01 batch_sizes=[1] threads=[1]",
    "serve": "serve run={run} port=0",
    "resume": "train resume={run}",
    "init_from": "train init_from={run} hydra.run.dir={root}/new",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_runs_what_the_settings_of_another_person_name(
    words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, marker = tmp_path / "run", tmp_path / "exploded"
    write_run(folder)
    config = folder / "config.yaml"
    bomb = f"split:\n  bomb: [{{_target_: os.mkdir, path: {marker}}}]\n"
    config.write_text(config.read_text().replace("split:\n", bomb, 1))
    (folder / "metrics.json").write_text('{"test": {"uar": 0.5}}')
    clip = write_clip(tmp_path / "clip.wav", 1.0)
    command = words.format(run=folder, clip=clip, root=tmp_path).split()
    before = sorted(folder.rglob("*"))
    assert run([*command, f"output_root={tmp_path}/outputs"]) == 1
    error = capfd.readouterr().err
    assert "split.bomb.0 names os.mkdir" in error
    assert not marker.exists()
    assert [path for path in sorted(folder.rglob("*")) if path.name not in LOGS] == before


LOGS = (".lock", "train.log")


def test_python_opens_no_run_of_another_person_with_other_classes(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("emotion.models.cnn.CNN", "os.system"))
    with pytest.raises(ConfigError, match=r"model names os\.system"):
        emotion.load(tmp_path / "run")


@pytest.mark.slow
def test_a_run_with_a_class_of_the_users_own_opens_here_and_elsewhere_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine/model").mkdir(parents=True)
    (tmp_path / "mine/model/bands.yaml").write_text(MODEL)
    (tmp_path / "mine_models.py").write_text(MODEL_CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the measuring process
    monkeypatch.delitem(sys.modules, "mine_models", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder, outputs = tmp_path / "run", f"output_root={tmp_path}/outputs"
    data = ["dataset.generate.speakers=6", "dataset.generate.sentences=2"]
    words = ["--config-dir", str(tmp_path / "mine"), "model=bands", *data, "trainer.max_epochs=1"]
    assert run(["train", *words, outputs, f"hydra.run.dir={folder}"]) == 0
    (folder / "metrics.json").unlink()  # as if it had been stopped
    resume = ["train", f"resume={folder}", "checkpoint.every_steps=9", outputs]
    assert run(resume) == 0
    assert Run(folder).metrics["status"] == "finished"
    clip = str(write_clip(tmp_path / "clip.wav", 1.0))
    predict = ["predict", f"run={folder}", clip, outputs]
    assert run(predict) == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    monkeypatch.setattr("emotion.config.saved_settings._written", set())
    capfd.readouterr()
    assert run(predict) == 1
    assert "add trust=[mine_models]" in capfd.readouterr().err
    assert run([*predict, "trust=[mine_models]"]) == 0
    assert run([*predict, "trust=mine_models"]) == 0
    measure = ["benchmark", f"run={folder}", "repeats=1", "seconds=0.01", "batch_sizes=[1]"]
    assert run([*measure, "threads=[1]", outputs, "trust=[mine_models]"]) == 0
    assert emotion.load(folder, trust=["mine_models"]).predict(clip)
    assert "EMOTION_TRUST" not in os.environ
    monkeypatch.setenv("EMOTION_TRUST", "mine_models")
    assert run(predict) == 0
