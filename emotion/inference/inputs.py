"""Find the audio files that `inputs` names: files, folders, glob patterns, or bytes on stdin."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from emotion.audio.decode import SUFFIXES
from emotion.data.corpora.find_audio import find_files
from emotion.errors import ConfigError

STDIN, MICROPHONE = "-", "mic"


@dataclass(frozen=True)
class InputFile:
    """An input file: its name in rows and messages, and the path to read."""

    name: str
    path: Path


@contextmanager
def open_inputs(inputs: str | Sequence[str]) -> Iterator[list[InputFile]]:
    """Return a context manager that gives the input files.

    `-` is one audio file on stdin. Its bytes are kept in a temporary file within the block, since
    most formats need random access.

    Raises:
        ConfigError: no input is given, or an input matches no file.
    """
    names = find_inputs(inputs)
    if STDIN not in names:
        yield [InputFile(name, Path(name)) for name in names]
        return
    with tempfile.NamedTemporaryFile(prefix="emotion-", suffix=".audio") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        if not file.tell():
            raise ConfigError("there is no audio on standard input, which the input - reads.")
        file.flush()
        yield [InputFile(name, Path(file.name if name == STDIN else name)) for name in names]


def find_inputs(inputs: str | Sequence[str]) -> list[str]:
    """Return the names of the input files, sorted and without duplicates.

    The name of a file in a folder is the input joined with the relative path.

    Raises:
        ConfigError: no input is given, or an input matches no file.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if not names:
        raise ConfigError(
            "inputs= is not set. Give files or folders: emotion predict run=latest FILE…"
        )
    found: set[str] = set()
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            below = [str(path / relative) for relative, _ in find_files(path, "audio")]
            if not below:
                raise ConfigError(
                    f"folder {name} contains no audio files ({', '.join(sorted(SUFFIXES))})."
                )
            found |= set(below)
        elif name == STDIN or path.exists() or path.is_symlink():
            found.add(name)
        else:
            matches = [match for match in glob(name, recursive=True) if Path(match).is_file()]  # noqa: PTH207 - keeps the name as it was given
            if not matches:
                raise ConfigError(f"no file, folder or pattern matches {name!r}.")
            found |= set(matches)
    return sorted(found)


def is_microphone(inputs: str | Sequence[str]) -> bool:
    """Return whether `inputs` is the microphone; a file called `mic` has priority.

    Raises:
        ConfigError: the microphone is given together with files.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if MICROPHONE not in names or Path(MICROPHONE).exists():
        return False
    if len(names) > 1:
        raise ConfigError("inputs=mic cannot be combined with files. Give inputs=mic alone.")
    return True
