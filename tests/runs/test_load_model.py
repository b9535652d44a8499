"""The best model of a run."""

import shutil
from pathlib import Path

import pytest
import torch

from emotion.errors import ModelError, RunError
from emotion.runs.checkpoints import read_checkpoint, write_checkpoint
from emotion.runs.load_model import open_model
from emotion.runs.run import Run
from tests.support.runs import write_run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ["model.channels=[2,2,2,2]", "model.features.n_mels=32", "model.features.frames=32"]
    return write_run(tmp_path_factory.mktemp("small") / "run", *words)


@pytest.fixture
def copy(small: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(small.folder, tmp_path / "run"))


def test_the_model_has_the_saved_weights_and_is_ready_to_predict(small: Run) -> None:
    model = open_model(small)
    assert not model.training
    assert model.labels == small.labels
    saved = read_checkpoint(small.best)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())


def test_a_run_without_an_epoch_names_the_way_to_resume_it(copy: Run) -> None:
    copy.best.unlink()
    with pytest.raises(RunError, match=r"did not finish an epoch\. Try resume="):
        open_model(copy)


def test_weights_of_other_classes_or_of_another_network_are_refused(copy: Run) -> None:
    checkpoint = read_checkpoint(copy.best)
    write_checkpoint(copy.best, checkpoint | {"labels": ["calm", "bored", "happy"]})
    with pytest.raises(ModelError, match="calm"):
        open_model(copy)
    state = {name: value[:1] for name, value in checkpoint["state_dict"].items() if value.ndim}
    write_checkpoint(copy.best, checkpoint | {"state_dict": state})
    with pytest.raises(ModelError, match=r"do not fit the model of its config\.yaml"):
        open_model(copy)
