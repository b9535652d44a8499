"""An archive's clips, each in its place below a folder; what would land elsewhere is refused."""

import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from emotion.errors import CorpusError

ENCRYPTED = 0x1
SPARE_BYTES = 64_000_000
"""What is left free on the disk."""

Progress = Callable[[int, int], None]
"""Called with the files done and the files in all."""


@dataclass(frozen=True)
class Entry:
    """A file of an archive or of a fetched folder: its name there, its bytes, and its content."""

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
    """Write a zip archive's clips, or those of a folder, below `folder`; return how many.

    Args:
        archive: a zip file, or a folder with files.
        folder: where the clips go; nothing is written anywhere else.
        places: by regular expression that fits a name whole, case ignored: the path below
            `folder`, with the expression's groups; names that none fits are passed over.
        max_bytes: what the clips may take, unpacked.
        progress: told after every file.

    Raises:
        CorpusError: it is no archive, is damaged, has a member that would land outside, is larger
            than it may be, or has no clip.
    """
    if archive.is_dir():
        return _write(folder_entries(archive), archive, folder, places, max_bytes, progress)
    if not archive.is_file():
        raise CorpusError(f"there is no archive {archive}.")
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = zip_entries(opened, archive)
            return _write(entries, archive, folder, places, max_bytes, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as err:
        raise CorpusError(
            f"{archive} is no zip archive, or a damaged one ({err}). Fetch it again."
        ) from err


def zip_entries(opened: zipfile.ZipFile, archive: Path) -> list[Entry]:
    """Return an archive's files.

    Raises:
        CorpusError: one would land outside, is a link or a device, or is encrypted.
    """
    entries = []
    for info in opened.infolist():
        reason = escapes(info.orig_filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if stat.S_ISLNK(kind):
            reason = "is a link"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            reason = "is no plain file"
        elif info.flag_bits & ENCRYPTED:
            reason = "is encrypted"
        if reason:
            raise CorpusError(
                f"{archive} is refused: its member {info.orig_filename!r} {reason}. "
                "Nothing was unpacked."
            )
        if not info.is_dir():
            entries.append(
                Entry(info.filename, info.file_size, lambda info=info: opened.open(info))  # type: ignore[misc]
            )
    return entries


def folder_entries(folder: Path) -> list[Entry]:
    """Return a folder's plain files; links are passed over."""
    entries = []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in sorted(names)):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                name = path.relative_to(folder).as_posix()
                entries.append(Entry(name, status.st_size, lambda path=path: path.open("rb")))  # type: ignore[misc]
    return sorted(entries, key=lambda entry: entry.name)


def escapes(name: str) -> str:
    """Return why a path is none below a folder, or an empty text."""
    path = name.replace("\\", "/")
    if "\0" in path:
        return "has a zero byte in its name"
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "has an absolute path"
    if ".." in PurePosixPath(path).parts:
        return "climbs out of its folder"
    return ""


def _write(
    entries: Iterable[Entry],
    archive: Path,
    folder: Path,
    places: Mapping[str, str],
    max_bytes: int,
    progress: Progress | None,
) -> int:
    placed = _place(entries, archive, places)
    size = sum(entry.size for entry in placed.values())
    if size > max_bytes:
        raise CorpusError(
            f"{archive} would unpack to {size:,} bytes, and its corpus has {max_bytes:,} at most: "
            "it is not the corpus, or made to fill the disk. Nothing was unpacked."
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if size > free:
        raise CorpusError(
            f"{archive} unpacks to {size:,} bytes and {folder} has {max(free, 0):,} free. Make "
            "room, then run the same command again."
        )
    for count, (place, entry) in enumerate(placed.items(), start=1):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, path.open("xb") as file:
            shutil.copyfileobj(source, file)
        if progress is not None:
            progress(count, len(placed))
    return len(placed)


def _place(entries: Iterable[Entry], archive: Path, places: Mapping[str, str]) -> dict[str, Entry]:
    """Return, by path below the folder, what goes there.

    Raises:
        CorpusError: nothing has a place, or two different files have the same.
    """
    rules = [(re.compile(fits, re.IGNORECASE), to) for fits, to in places.items()]
    placed: dict[str, Entry] = {}
    for entry in entries:
        found = ((fits.fullmatch(entry.name), to) for fits, to in rules)
        place = next((match.expand(to) for match, to in found if match), None)
        if place is None:
            continue
        if reason := escapes(place):
            raise CorpusError(f"{archive}: {entry.name!r} would go to {place!r}, which {reason}.")
        first = placed.setdefault(place, entry)
        if first is not entry and _digest(first) != _digest(entry):
            raise CorpusError(
                f"{archive} is refused: {first.name!r} and {entry.name!r} differ, and both would "
                f"be {place}."
            )
    if not placed:
        raise CorpusError(f"{archive} holds no clip of this corpus: is it another archive?")
    return placed


def _digest(entry: Entry) -> bytes:
    with entry.open() as file:
        return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
