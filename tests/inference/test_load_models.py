"""Models and predictors by the name in `run=`."""

from pathlib import Path
from typing import Any

import pytest

from emotion.config.composition import compose
from emotion.errors import ConfigError, RunError
from emotion.inference.load_models import open_models, open_predictor, open_profiles
from emotion.inference.torch_model import TorchEnsemble
from emotion.runs.run import Run
from emotion.runtime.onnx_model import OnnxModel


def settings(*names: Path | str, **values: object) -> Any:
    run = f"[{','.join(map(str, names))}]" if len(names) != 1 else str(names[0])
    words = [f"run={run}", *(f"{key}={value}" for key, value in values.items())]
    return compose("predict", words).settings


def test_export_folder_or_network_needs_no_torch_model(run: Run, folder: Path) -> None:
    assert isinstance(open_models(settings(folder)), OnnxModel)
    assert isinstance(open_models(settings(folder / "model.int8.onnx")), OnnxModel)


def test_run_folders_are_one_ensemble(run: Run) -> None:
    model = open_models(settings(run.folder, run.folder, accelerator="cpu"))
    assert isinstance(model, TorchEnsemble)
    assert len(model.members) == 2


def test_export_folder_cannot_be_combined(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be combined"):
        open_models(settings(folder, "latest"))


def test_names_that_open_nothing_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run=\[\] names no run"):
        open_models(settings())
    with pytest.raises(RunError, match="no run folder /nowhere"):
        open_models(settings("/nowhere"))


def test_predictor_takes_its_options(folder: Path) -> None:
    predictor = open_predictor(
        settings(folder, labels="[' Sad',HAPPY]", abstain_below=0.7, speech_gate="false")
    )
    assert predictor.labels == ("sad", "happy")
    assert predictor.abstain_below == 0.7
    assert predictor.speech_detector is None


def test_no_profiles_if_one_model_has_none(run: Run, folder: Path) -> None:
    assert list(open_profiles(settings(folder))) == []
