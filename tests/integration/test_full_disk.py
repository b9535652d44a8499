"""Full and read-only disks: a clear error, no partial files and no damage."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archive import write_clip
from tests.support.disks import Disk, small_disk

pytestmark = pytest.mark.slow

FULL_DISK = "Make room, then run the same command again."
READ_ONLY = "error: Read-only file system"
LARGE_CLIPS = ["preprocessing.storage=float32", "loader.features=live"]
"""A clip takes 256 kB, so that 100 of them do not fit on a disk of 20 MB."""


def emotion(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotion", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def assert_fails(words: list[str], message: str) -> None:
    """Assert that a command ends with an error and without a traceback."""
    done = emotion(*words)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def assert_succeeds(words: list[str]) -> None:
    """Assert that a command succeeds."""
    ended = emotion(*words)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of a dataset of a hundred clips."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(100):
        write_clip(
            root / ("happy", "sad")[number % 2] / f"spk{number % 5} {number}.wav", seed=number
        )
    return ["dataset=folder", f"dataset.root={root}", "dataset.speaker=spk."]


@pytest.fixture(scope="module")
def whole(clips: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output root of an undisturbed run, with the run in `run` and its cache."""
    root = tmp_path_factory.mktemp("whole")
    assert_succeeds(
        [
            "train",
            *clips,
            "trainer.max_epochs=2",
            f"output_root={root}",
            f"hydra.run.dir={root}/run",
        ]
    )
    return root


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk of 20 MB, or of the size in the parameter of the test."""
    with small_disk(tmp_path / "disk", getattr(request, "param", "20m")) as made:
        yield made


def test_a_cache_on_a_full_disk_is_completed_once_there_is_room(
    clips: list[str], disk: Disk, tmp_path: Path
) -> None:
    words = ["prepare", *clips, LARGE_CLIPS[0]]
    assert_fails([*words, f"output_root={disk.folder}"], FULL_DISK)
    assert disk.files
    whole = [name for name in disk.files if name.endswith(("about.json", "waves/index.csv"))]
    assert whole == []
    disk.remount("size=80m")
    assert_succeeds([*words, f"output_root={disk.folder}"])
    assert_succeeds([*words, f"output_root={tmp_path}/elsewhere"])
    (found,) = disk.folder.glob("cache/waves/*/samples.bin")
    (wanted,) = tmp_path.glob("elsewhere/cache/waves/*/samples.bin")
    assert found.read_bytes() == wanted.read_bytes()
    assert not [name for name in disk.files if "partial" in name]


@pytest.mark.parametrize("disk", ["60k", "450k", "1100k"], indirect=True)
def test_a_run_on_a_full_disk_is_resumed_to_the_same_result_once_there_is_room(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    run = disk.folder / "run"
    words = ["train", *clips, "trainer.max_epochs=2", f"cache_dir={whole}/cache"]
    words += [f"output_root={disk.folder}", f"hydra.run.dir={run}"]
    assert_fails(words, FULL_DISK)
    assert not (run / "report.html").exists(), "the report is written last"
    assert not [name for name in disk.files if "partial" in name]
    disk.remount("size=50m")
    assert_succeeds(["train", f"resume={run}"])
    for name in ("predictions.csv", "metrics.json"):
        assert (run / name).read_bytes() == (whole / "run" / name).read_bytes()


@pytest.mark.parametrize("disk", ["450k"], indirect=True)
def test_a_study_on_a_full_disk_fails_no_cell_and_is_completed_once_there_is_room(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    words = ["study", *clips, "trainer.max_epochs=1", "study.seeds=[0,1]"]
    words += [f"cache_dir={whole}/cache", f"output_root={disk.folder}"]
    assert_fails(words, FULL_DISK)
    assert not [name for name in disk.files if "failed" in name or name.endswith("table.csv")]
    disk.remount("size=50m")
    assert_succeeds(words)
    assert "2/2" in (disk.folder / "studies" / "study" / "table.csv").read_text()


@pytest.mark.parametrize("disk", ["60k"], indirect=True)
def test_predictions_on_a_full_disk_keep_the_old_file(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    output = disk.folder / "rows.csv"
    words = ["predict", f"run={whole}/run", f"inputs={clips[1].partition('=')[2]}"]
    assert_succeeds([*words, f"output={output}"])
    before = output.read_bytes()
    with pytest.raises(OSError, match="No space"):
        (disk.folder / "filler").write_bytes(bytes(100_000))
    assert_fails([*words, f"output={output}"], FULL_DISK)
    assert output.read_bytes() == before
    assert set(disk.files) == {"rows.csv", "filler"}


def test_a_read_only_disk_is_named_and_its_cache_is_used(
    clips: list[str], whole: Path, disk: Disk, tmp_path: Path
) -> None:
    shutil.copytree(whole / "cache", disk.folder / "cache")
    disk.remount("ro")
    words = ["train", *clips, "trainer.max_epochs=1", f"cache_dir={disk.folder}/cache"]
    assert_succeeds([*words, f"output_root={tmp_path}/out"])
    assert_fails([*words, f"output_root={disk.folder}"], READ_ONLY)
    assert_fails(["prepare", *clips, *LARGE_CLIPS[:1], f"output_root={disk.folder}"], READ_ONLY)
    assert_fails([*words, *LARGE_CLIPS, f"output_root={tmp_path}/out"], READ_ONLY)
