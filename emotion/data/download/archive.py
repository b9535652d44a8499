"""Safe extraction of the clips of an archive into a folder."""

import hashlib
import lzma
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from emotion.errors import CorpusError

SPARE_BYTES = 64_000_000  # disk space to leave free

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
)
"""Errors of a damaged archive; bz2 raises an OSError without a number."""

Progress = Callable[[int, int], None]  # called with the numbers of finished and of all files


@dataclass(frozen=True)
class Entry:
    """A file of an archive or folder: name, size in bytes and a function that opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    *,
    places: Mapping[str, str],
    max_bytes: int,
    progress: Progress | None = None,
) -> int:
    """Write the clips of a zip archive or of a folder below `folder`; return their number.

    Nothing is written outside `folder`. `places` has the path below it for each regular expression
    that matches a whole name, ignoring case; the path may use the groups of the expression. Files
    without a match are ignored. `max_bytes` is the largest allowed size of all clips, unpacked.

    Raises:
        CorpusError: the archive is damaged or not a zip file, is too large, has no clip, or has a
            member that would be written outside `folder`.
    """
    if archive.is_dir():
        return _write(folder_entries(archive), archive, folder, places, max_bytes, progress)
    if not archive.is_file():
        raise CorpusError(f"archive {archive} does not exist.")
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = zip_entries(opened, archive)
            return _write(entries, archive, folder, places, max_bytes, progress)
    except (*DAMAGED, OSError) as err:
        if isinstance(err, OSError) and err.errno is not None:  # of the disk; bz2 sets no number
            raise
        raise CorpusError(
            f"{archive} is not a zip archive, or is damaged ({err}). Download it again."
        ) from err


def zip_entries(opened: zipfile.ZipFile, archive: Path) -> list[Entry]:
    """Return the files of an archive; CorpusError for an encrypted member or an unsafe one."""
    entries = []
    for info in opened.infolist():
        reason = path_problem(info.orig_filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if stat.S_ISLNK(kind):
            reason = "is a link"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            reason = "is not a regular file"
        elif info.flag_bits & 0x1:
            reason = "is encrypted"
        if reason:
            raise CorpusError(
                f"{archive} is rejected: its member {info.orig_filename!r} {reason}. "
                "Nothing was unpacked."
            )
        if not info.is_dir():
            entries.append(Entry(info.filename, info.file_size, partial(opened.open, info)))
    return entries


def folder_entries(folder: Path) -> list[Entry]:
    """Return the regular files of a folder; links are ignored."""
    entries = []
    for path in sorted(folder.rglob("*"), key=Path.as_posix):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            name = path.relative_to(folder).as_posix()
            entries.append(Entry(name, status.st_size, lambda path=path: path.open("rb")))  # type: ignore[misc]
    return entries


def path_problem(name: str) -> str:
    """Return the reason why a path is not safely below a folder, or an empty text."""
    path = name.replace("\\", "/")
    if "\0" in path:
        return "has a zero byte in its name"
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "has an absolute path"
    if ".." in PurePosixPath(path).parts:
        return "leads out of its folder"
    return ""


def _write(
    entries: Iterable[Entry],
    archive: Path,
    folder: Path,
    places: Mapping[str, str],
    max_bytes: int,
    progress: Progress | None,
) -> int:
    destinations = _destinations(entries, archive, places)
    size = sum(entry.size for entry in destinations.values())
    if size > max_bytes:
        raise CorpusError(
            f"{archive} would unpack to {size:,} bytes; its corpus has at most {max_bytes:,}. It "
            "is another archive, or made to fill the disk. Nothing was unpacked."
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if size > free:
        raise CorpusError(
            f"{archive} unpacks to {size:,} bytes, but {folder} has only {max(free, 0):,} free. "
            "Make room, then run the same command again."
        )
    for count, (destination, entry) in enumerate(destinations.items(), start=1):
        path = folder / destination
        path.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, path.open("xb") as file:
            shutil.copyfileobj(source, file)
        if progress is not None:
            progress(count, len(destinations))
    return len(destinations)


def _destinations(
    entries: Iterable[Entry], archive: Path, places: Mapping[str, str]
) -> dict[str, Entry]:
    """Return the files to write by path below the folder; equal copies are written once."""
    rules = [(re.compile(pattern, re.IGNORECASE), path) for pattern, path in places.items()]
    destinations: dict[str, Entry] = {}
    for entry in entries:
        matches = ((pattern.fullmatch(entry.name), path) for pattern, path in rules)
        path = next((match.expand(path) for match, path in matches if match), None)
        if path is None:
            continue
        if reason := path_problem(path):
            raise CorpusError(f"{archive}: {entry.name!r} would go to {path!r}, which {reason}.")
        first = destinations.setdefault(path, entry)
        if first is not entry and _digest(first) != _digest(entry):
            raise CorpusError(
                f"{archive} is rejected: {first.name!r} and {entry.name!r} differ, and both would "
                f"be {path}."
            )
    for path in destinations:
        parents = map(str, PurePosixPath(path).parents)
        if parent := next((each for each in parents if each in destinations), None):
            raise CorpusError(
                f"{archive} is rejected: {parent} would be a file, and the folder of {path}."
            )
    if not destinations:
        raise CorpusError(f"{archive} has no clip of this corpus. Give the archive of the corpus.")
    return destinations


def _digest(entry: Entry) -> bytes:
    with entry.open() as file:
        return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
