import ast
import subprocess
import sys
from pathlib import Path

import soundfile as sf

import emotion
from emotion.audio.speech_detector import NETWORK_FILE
from emotion.export.companion_files import PACKAGES, REQUIREMENTS, requirements
from tests.support.runs import clips

PACKAGE = Path(emotion.__file__).parent


def test_packages_are_copied_whole_and_unchanged(folder: Path) -> None:
    copied = {path for path in (folder / "emotion").rglob("*.py") if path.read_bytes()}
    expected = {PACKAGE / "errors.py"}
    for name in PACKAGES:
        expected |= {path for path in (PACKAGE / name).rglob("*.py") if path.read_bytes()}
    assert {path.relative_to(folder / "emotion") for path in copied} == {
        path.relative_to(PACKAGE) for path in expected
    }
    for path in copied:
        assert path.read_bytes() == (PACKAGE / path.relative_to(folder / "emotion")).read_bytes()
    assert not list(folder.rglob("__pycache__"))


def test_copied_modules_import_nothing_that_is_not_copied(folder: Path) -> None:
    for path in (folder / "emotion").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("emotion."):
                module = folder / f"{str(node.module).replace('.', '/')}.py"
                assert module.is_file(), (path, node.module)


def test_the_speech_detector_is_there_with_its_licence(folder: Path) -> None:
    assert (folder / "emotion" / "audio" / NETWORK_FILE).stat().st_size > 100_000
    licence = (folder / "emotion" / "audio" / "silero_vad_LICENSE").read_text()
    assert licence.startswith("MIT License")
    code = "import emotion.audio.speech_detector as module; print(module.find_silero_network())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(folder)


def test_requirements_have_the_limits_of_the_package(folder: Path) -> None:
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert lines == requirements()
    assert [line.partition(">")[0] for line in lines] == list(REQUIREMENTS)


def test_the_python_example_of_the_readme_runs(folder: Path, tmp_path: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    wave, rate = clips()[2]
    clip = tmp_path / "clip.wav"
    sf.write(clip, wave, rate)
    code = example.replace('"clip.wav"', repr(str(clip)))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "'happy': " in done.stdout
