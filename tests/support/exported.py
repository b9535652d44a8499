"""One exported run, which tests of export folders read and never change."""

from pathlib import Path

import pytest

from emotion.export.export import export_run
from emotion.runs.run import Run
from tests.support.runs import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small run with `export/` in it, including int8; not to be changed."""
    root = tmp_path_factory.mktemp("exported")
    run = write_run(root / "run", "preprocessing.duration_ms=700", "model.features.frames=64")
    export_run(run, cache_dir=root / "cache", clips=500, quantize=True)
    return run


@pytest.fixture
def folder(run: Run) -> Path:
    """The export folder."""
    return run.folder / "export"
