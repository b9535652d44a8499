"""What a user names -> the files that are heard: files, folders, patterns, bytes on stdin."""

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
    """A file that is heard: its name in rows and messages, and where its bytes lie."""

    name: str
    path: Path


@contextmanager
def opened_inputs(inputs: str | Sequence[str]) -> Iterator[list[InputFile]]:
    """Give the sources that the inputs name, as long as the block lasts.

    `-` is one audio file whose bytes come on stdin; they are kept in a temporary file, since
    most formats are read back and forth.

    Raises:
        ConfigError: nothing is named, or an input names nothing.
    """
    names = find_inputs(inputs)
    if STDIN not in names:
        yield [InputFile(name, Path(name)) for name in names]
        return
    with tempfile.NamedTemporaryFile(prefix="emotion-", suffix=".audio") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield [InputFile(name, Path(file.name if name == STDIN else name)) for name in names]


def find_inputs(inputs: str | Sequence[str]) -> list[str]:
    """Return the files that the inputs name, sorted, each once: files, folders, globs, stdin.

    A path is the input joined with what lies under it.

    Raises:
        ConfigError: nothing is named, or an input names nothing.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if not names:
        raise ConfigError(
            "inputs= is not set. Give files or folders: emotion predict run=latest FILE…"
        )
    found: set[str] = set()
    for name in names:
        path = Path(name)
        if name == STDIN:
            found.add(name)
        elif path.is_dir():
            below = [str(path / relative) for relative, _ in find_files(path, "audio")]
            if not below:
                raise ConfigError(f"folder {name} holds no audio ({', '.join(sorted(SUFFIXES))}).")
            found |= set(below)
        elif path.exists() or path.is_symlink():
            found.add(name)
        else:
            matches = [match for match in glob(name, recursive=True) if Path(match).is_file()]  # noqa: PTH207 - keeps the name as it was given
            if not matches:
                raise ConfigError(f"there is no file, folder or pattern {name!r}.")
            found |= set(matches)
    return sorted(found)


def is_microphone(inputs: str | Sequence[str]) -> bool:
    """Return whether the microphone is asked for, and no file of that name is there.

    Raises:
        ConfigError: it is asked for beside files.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if MICROPHONE not in names or Path(MICROPHONE).exists():
        return False
    if len(names) > 1:
        raise ConfigError("inputs=mic listens to the microphone alone: name no files beside it.")
    return True
