"""Software and hardware that a run records."""

import subprocess
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

import emotion
from emotion.config.composition import compose
from emotion.training.environment import commit, describe_environment, log_hyperparameters

ROOT = Path(emotion.__file__).parents[1]


def test_versions_device_and_command_are_recorded() -> None:
    described = describe_environment()
    assert described["versions"]["emotion"] not in ("", "not installed")
    assert {"python", "torch", "lightning", "numpy"} <= set(described["versions"])
    assert described["device"]
    assert described["threads"] >= 1
    assert described["command"]


def test_the_commit_is_that_of_the_source_tree() -> None:
    if not (ROOT / ".git").exists():
        assert commit() is None
        return
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True)
    assert (commit() or "").rstrip("+") == done.stdout.decode().strip()


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit() is None


@pytest.mark.parametrize("logger", [TensorBoardLogger, CSVLogger])
def test_hyperparameters_and_final_metrics_are_logged(logger: type, tmp_path: Path) -> None:
    settings = compose("train", ["model=crnn", "seed=3"]).settings
    log_hyperparameters(logger(tmp_path, name="log"), settings, {"final/test_uar": 0.5})
    logged = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"CRNN" in logged
    assert b"final/test_uar" in logged
