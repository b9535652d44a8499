"""Where there is no room, or no right to write: a clear error, nothing half-made, and no harm."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archive import write_clip
from tests.support.disks import Disk, small_disk

pytestmark = pytest.mark.slow

NO_ROOM = "Make room, then run the same command again."
READ_ONLY = "error: Read-only file system"
GREAT = ["preprocessing.storage=float32", "loader.features=live"]
"""A clip takes 256 kB, so that 100 of them do not fit on a disk of 20 MB."""


def emotion(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotion", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def refused(words: list[str], message: str) -> None:
    """Assert that a command ends with an error and no traceback."""
    done = emotion(*words)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def done(words: list[str]) -> None:
    """Assert that a command does what it should."""
    ended = emotion(*words)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The dataset of a hundred clips."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(100):
        write_clip(
            root / ("happy", "sad")[number % 2] / f"spk{number % 5} {number}.wav", seed=number
        )
    return ["dataset=folder", f"dataset.root={root}", "dataset.speaker=spk."]


@pytest.fixture(scope="module")
def whole(clips: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a run that nothing disturbed, in `run`, and its cache."""
    root = tmp_path_factory.mktemp("whole")
    done(
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
    """A disk of 20 MB, or of the size that the test is given."""
    with small_disk(tmp_path / "disk", getattr(request, "param", "20m")) as made:
        yield made


def test_a_cache_without_room_is_not_there_and_is_whole_once_there_is_room(
    clips: list[str], disk: Disk, tmp_path: Path
) -> None:
    words = ["prepare", *clips, GREAT[0]]
    refused([*words, f"output_root={disk.folder}"], NO_ROOM)
    assert disk.files
    whole = [name for name in disk.files if name.endswith(("about.json", "waves/index.csv"))]
    assert whole == []
    disk.remount("size=80m")
    done([*words, f"output_root={disk.folder}"])
    done([*words, f"output_root={tmp_path}/elsewhere"])
    (found,) = disk.folder.glob("cache/waves/*/samples.bin")
    (wanted,) = tmp_path.glob("elsewhere/cache/waves/*/samples.bin")
    assert found.read_bytes() == wanted.read_bytes()
    assert not [name for name in disk.files if "partial" in name]


@pytest.mark.parametrize("disk", ["60k", "450k", "1100k"], indirect=True)
def test_a_run_without_room_goes_on_to_the_same_result_once_there_is_room(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    run = disk.folder / "run"
    words = ["train", *clips, "trainer.max_epochs=2", f"cache_dir={whole}/cache"]
    words += [f"output_root={disk.folder}", f"hydra.run.dir={run}"]
    refused(words, NO_ROOM)
    assert not (run / "report.html").exists(), "the last file of a run says that it is finished"
    assert not [name for name in disk.files if "partial" in name]
    disk.remount("size=50m")
    done(["train", f"resume={run}"])
    for name in ("predictions.csv", "metrics.json"):
        assert (run / name).read_bytes() == (whole / "run" / name).read_bytes()


@pytest.mark.parametrize("disk", ["450k"], indirect=True)
def test_a_study_without_room_fails_no_cell_and_is_whole_once_there_is_room(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    words = ["study", *clips, "trainer.max_epochs=1", "study.seeds=[0,1]"]
    words += [f"cache_dir={whole}/cache", f"output_root={disk.folder}"]
    refused(words, NO_ROOM)
    assert not [name for name in disk.files if "failed" in name or name.endswith("table.csv")]
    disk.remount("size=50m")
    done(words)
    assert "2/2" in (disk.folder / "studies" / "study" / "table.csv").read_text()


@pytest.mark.parametrize("disk", ["60k"], indirect=True)
def test_predictions_without_room_leave_those_of_before(
    clips: list[str], whole: Path, disk: Disk
) -> None:
    output = disk.folder / "rows.csv"
    words = ["predict", f"run={whole}/run", f"inputs={clips[1].partition('=')[2]}"]
    done([*words, f"output={output}"])
    before = output.read_bytes()
    with pytest.raises(OSError, match="No space"):
        (disk.folder / "filler").write_bytes(bytes(100_000))
    refused([*words, f"output={output}"], NO_ROOM)
    assert output.read_bytes() == before
    assert set(disk.files) == {"rows.csv", "filler"}


def test_a_disk_that_is_only_read_is_named_and_what_it_holds_is_used(
    clips: list[str], whole: Path, disk: Disk, tmp_path: Path
) -> None:
    shutil.copytree(whole / "cache", disk.folder / "cache")
    disk.remount("ro")
    words = ["train", *clips, "trainer.max_epochs=1", f"cache_dir={disk.folder}/cache"]
    done([*words, f"output_root={tmp_path}/out"])
    refused([*words, f"output_root={disk.folder}"], READ_ONLY)
    refused(["prepare", *clips, *GREAT[:1], f"output_root={disk.folder}"], READ_ONLY)
    refused([*words, *GREAT, f"output_root={tmp_path}/out"], READ_ONLY)
