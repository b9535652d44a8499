"""Inputs by file, folder, glob pattern and stdin."""

import io
import sys
import types
from pathlib import Path

import pytest

from emotion.errors import ConfigError
from emotion.inference.inputs import find_inputs, is_microphone, open_inputs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with three audio files and a text file."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a.wav", "sub/c.FLAC", "sub/notes.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


def test_inputs_are_sorted_and_unique() -> None:
    assert find_inputs(["sub", "b.wav", "*.wav", "./a.wav"]) == [
        "./a.wav",
        "a.wav",
        "b.wav",
        "sub/c.FLAC",
    ]


def test_single_file_is_taken_whatever_its_suffix() -> None:
    assert find_inputs("sub/notes.txt") == ["sub/notes.txt"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs= is not set"),
        (["none.wav"], "no file, folder or pattern matches 'none.wav'"),
        (["empty"], r"folder empty contains no audio files \(.*\.wav"),
    ],
)
def test_input_without_a_file_is_an_error(inputs: list[str], message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(ConfigError, match=message):
        find_inputs(inputs)


def test_stdin_is_a_temporary_file_within_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"RIFF")))
    with open_inputs(["-", "a.wav"]) as (stdin, file):
        assert (stdin.name, stdin.path.read_bytes()) == ("-", b"RIFF")
        assert (file.name, file.path) == ("a.wav", Path("a.wav"))
    assert not stdin.path.exists()


def test_microphone_excludes_files_but_a_file_called_mic_is_a_file() -> None:
    assert is_microphone("mic")
    assert not is_microphone(["a.wav"])
    with pytest.raises(ConfigError, match="inputs=mic cannot be combined with files"):
        is_microphone(["mic", "a.wav"])
    Path("mic").touch()
    assert not is_microphone(["mic", "a.wav"])
