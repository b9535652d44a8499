"""What all tests share: clips and corpora made on the spot, and the real ones where they are."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; two cores have no more

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from emotion.config.build import build
from emotion.config.composition import compose
from emotion.data.corpora.dataset import Dataset
from tests.support.archive import write_archive, write_clip

__all__ = ["build_dataset", "write_clip"]

pytest_plugins = ["tests.support.exported", "tests.support.trained"]

NOBODY = 65_534

settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests that kill be asked for more kills than every run of the tests has time for."""
    parser.addoption("--kills", type=int, default=4, help="kills of training; prepare half of it")


def build_dataset(*overrides: str) -> Dataset:
    """Return a dataset as `emotion train` would build it."""
    dataset: Dataset = build(compose("train", overrides).settings.dataset, "dataset")
    return dataset


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a tiny four-corpus archive; only to be read."""
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def cs334(archive: Path) -> Dataset:
    """The four corpora of the tiny archive, six classes."""
    return build_dataset("dataset=cs334", f"data_root={archive}")


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The root of the real clips, for tests marked `corpora`."""
    root = os.environ.get("EMOTION_DATA_ROOT")
    if not root:
        pytest.skip("EMOTION_DATA_ROOT is not set: no real clips here")
    if not Path(root).is_dir():
        pytest.skip(f"EMOTION_DATA_ROOT={root} is no folder: no real clips here")
    return Path(root)


@pytest.fixture
def as_a_user() -> Iterator[Path]:
    """A folder, and no rights but those of a plain user: to root, nothing is closed."""
    with tempfile.TemporaryDirectory() as folder:
        root = os.geteuid() == 0
        if root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's state folder of all tests and of the processes that they start."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder
