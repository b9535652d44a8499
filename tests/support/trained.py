"""A small trained run on synthetic voices, shared by all tests; it must not be changed."""

from collections.abc import Callable

import pytest

from emotion.cli.main import run
from emotion.runs.run import Run

Train = Callable[..., Run]
"""Trains a run with further overrides, and returns it; `code` is the expected exit code."""


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides of a run that takes two seconds; the first one is its output root."""
    root = tmp_path_factory.mktemp("outputs")
    return [
        f"output_root={root}",
        "dataset.generate.speakers=6",
        "dataset.generate.sentences=3",
        "trainer.max_epochs=2",
        "loader.batch_size=16",
    ]


@pytest.fixture(scope="session")
def train(base: list[str], tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return a function that trains a run and returns it."""

    def start(*words: str, code: int = 0) -> Run:
        folder = tmp_path_factory.mktemp("run") / "it"
        assert run(["train", *base, f"hydra.run.dir={folder}", *words]) == code
        return Run(folder)

    return start


@pytest.fixture(scope="session")
def finished(train: Train) -> Run:
    """A finished run of two epochs; read-only."""
    return train()
