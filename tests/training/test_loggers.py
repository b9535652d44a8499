"""Loggers that write into the run folder."""

import importlib.util
from pathlib import Path

import pytest

from emotion.errors import DependencyError
from emotion.training import loggers
from tests.support.trained import Train


@pytest.mark.parametrize("logger", ["csv", "[csv,tensorboard]"])
def test_chosen_loggers_write_into_the_run_folder(train: Train, logger: str) -> None:
    trained = train(f"logger={logger}", "trainer.max_epochs=1")
    assert "val/uar" in (trained.folder / "csv" / "metrics.csv").read_text()
    assert (trained.folder / "tensorboard").exists() == ("tensorboard" in logger)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_without_its_package_names_the_extra(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    with pytest.raises(DependencyError, match=rf"logger={name} .*pip install 'emotion\[{name}\]'"):
        getattr(loggers, name)(tmp_path)
