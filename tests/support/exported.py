"""One exported run, which all tests of export folders look at and none changes."""

from pathlib import Path

import pytest

from emotion.config.composition import composed
from emotion.export.export import export
from emotion.runs.run import Run
from tests.support.runs import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small run with `export/` in it, int8 included; only to be read."""
    root = tmp_path_factory.mktemp("exported")
    run = write_run(root / "run", "preprocessing.duration_ms=700", "model.features.frames=64")
    words = [f"run={run.folder}", "quantize=true", f"cache_dir={root / 'cache'}"]
    with composed("export", words) as config:
        export(config)
    return run


@pytest.fixture
def folder(run: Run) -> Path:
    """The export folder."""
    return run.folder / "export"
