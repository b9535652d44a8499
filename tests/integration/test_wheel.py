"""The installed wheel, in a folder that holds nothing else."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parent.parent.parent
TINY = ["dataset.generate.speakers=4", "dataset.generate.sentences=3", "trainer.max_epochs=1"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def emotion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a venv that sees the packages here, but this project only as a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    with FileLock(tmp_path_factory.getbasetemp().parent / "wheel.lock"):  # it builds in ROOT/build
        subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("*/site-packages")
    target = [*pip, "install", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(target, check=True)
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "packages_of_the_tests.pth").write_text(f"{here}\n")
    command = folder / "venv" / "bin" / "emotion"
    script = "from emotion.cli.main import main\nif __name__ == '__main__':\n    main()\n"
    command.write_text(f"#!{python}\n{script}")
    command.chmod(0o755)
    return command


@pytest.fixture(scope="module")
def folder(emotion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder in which the wheel trained one epoch."""
    place = tmp_path_factory.mktemp("empty")
    subprocess.run([emotion, "train", *TINY], cwd=place, check=True)
    return place


def test_the_wheel_is_what_runs(emotion: Path, tmp_path: Path) -> None:
    code = (
        "import emotion.cli.main as main, emotion.conf; print(main.__file__, emotion.conf.__path__)"
    )
    python = emotion.parent / "python"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(ROOT / "emotion") not in done.stdout
    assert str(ROOT / "conf") not in done.stdout


def test_a_bare_train_works_from_an_empty_folder(folder: Path) -> None:
    (run,) = (folder / "outputs" / "train").iterdir()
    assert (run / "report.html").is_file()


@pytest.mark.parametrize(
    "command",
    [
        "prepare dataset.generate.speakers=4 dataset.generate.sentences=3",
        "stats dataset.generate.speakers=4 dataset.generate.sentences=3",
        "inspect dataset.generate.speakers=4 dataset.generate.sentences=3",
        "evaluate run=latest",
        "predict run=latest outputs/cache/synthetic",
        "export run=latest clips=8",
        "benchmark run=latest repeats=2 batch_sizes=[1,2]",
        "list",
        "doctor",
        "prune older_than=30d",
        "download --cfg job",
        "train --cfg job",
        "train --help",
        "--version",
    ],
)
def test_every_command_runs(emotion: Path, folder: Path, command: str) -> None:
    done = subprocess.run(
        [emotion, *command.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
