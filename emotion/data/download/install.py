"""Installation of a published corpus into the layout of its reader.

An archive is fetched and unpacked in a hidden folder under the data root, its clips are counted by
the reader of the corpus, and only a complete corpus is renamed to its final folder.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.data.corpora.readers import PatternReader
from emotion.data.download.archive import Progress, unpack
from emotion.data.download.fetchers import Fetcher
from emotion.errors import CorpusError
from emotion.utils.files import sync_folder

Bars = Callable[[str, str], Progress]  # makes a progress callback from a name and a unit


@dataclass(frozen=True)
class CorpusSource:
    """A published corpus, or several in one archive."""

    name: str  # of its dataset
    page: str  # web page of the publisher
    licence: str
    citation: str
    readers: Mapping[str, PatternReader]  # of each corpus, with the number of published clips
    places: Mapping[str, str]  # see `unpack`
    max_bytes: int  # largest allowed size of the unpacked clips
    fetch: Fetcher | None = None  # None: users must download it themselves, by `steps`
    steps: Sequence[str] = ()  # instructions for a manual download

    def about(self) -> str:
        """Return page, licence and citation, to show before the download."""
        return f"{self.name}: {self.page}\nlicence: {self.licence}\ncite: {self.citation}"

    def by_hand(self) -> str:
        """Return the instructions for a manual download as numbered lines."""
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, start=1))


def download(source: CorpusSource, data_root: Path, *, archive: Path | None, bars: Bars) -> str:
    """Install a corpus under the data root; return a summary.

    Of several corpora, those already installed stay untouched. `archive` is a zip file or folder
    that the user downloaded; None: it is fetched.

    Raises:
        CorpusError: the corpus cannot be fetched or is incomplete, or its folder has other files.
    """
    if not _missing(source, data_root):
        return "\n".join(_lines(source, data_root, "already here"))
    if archive is None and source.fetch is None:
        raise CorpusError(
            f"{source.name} cannot be downloaded automatically: follow the steps above, then run "
            f"emotion download {source.name} archive=FILE."
        )
    if archive is not None and not archive.exists():
        raise CorpusError(f"archive {archive} does not exist.")
    staging = data_root / ".download" / source.name
    lock = staging.with_name(f"{source.name}.lock")
    staging.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            checked = _fetch_and_install(source, data_root, staging, archive, bars)
    except Timeout as err:
        raise CorpusError(
            f"another process is downloading {source.name} to {data_root}. Wait until it ends."
        ) from err
    finally:
        if not staging.exists():
            with contextlib.suppress(OSError):  # another corpus is being downloaded there
                lock.unlink(missing_ok=True)
                lock.parent.rmdir()
    lines = _lines(source, data_root, "now here")
    return "\n".join([*lines, f"checked: {checked}, and the number of clips"])


def _fetch_and_install(
    source: CorpusSource, data_root: Path, staging: Path, archive: Path | None, bars: Bars
) -> str:
    """Fetch and install; return the check of the files.

    After an interrupted fetch, `staging` is kept to continue from; a wrong archive is removed.
    """
    checked = "the checksums within the archive"
    if archive is None and source.fetch is not None:
        checked = source.fetch.checked
        archive = source.fetch.fetch(staging, bars("fetching", "bytes"))
    unpacked = staging / "unpacked"
    try:
        _install(source, data_root, archive or staging, unpacked, bars("unpacking", "clips"))
    except CorpusError:
        shutil.rmtree(staging)
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    shutil.rmtree(staging)
    return checked


def _install(
    source: CorpusSource, data_root: Path, archive: Path, unpacked: Path, progress: Progress
) -> None:
    """Unpack the missing corpora; rename them to their final folders once complete and on disk."""
    shutil.rmtree(unpacked, ignore_errors=True)  # left by a killed call
    unpack(archive, unpacked, places=source.places, max_bytes=source.max_bytes, progress=progress)
    missing = _missing(source, data_root)
    for reader in missing:
        found = _count(reader, unpacked)
        if reader.published is not None and found != reader.published:
            raise CorpusError(
                f"{archive} has {found:,} of the {reader.published:,} clips of {reader.corpus}: it "
                "is incomplete. Nothing was installed."
            )
    os.sync()  # all clips at once; one by one takes minutes on a hard disk
    for reader in missing:
        (unpacked / reader.folder).rename(data_root / reader.folder)
    sync_folder(data_root)


def _missing(source: CorpusSource, data_root: Path) -> list[PatternReader]:
    """Return the readers of the corpora that are not installed; none may be incomplete."""
    missing = []
    for reader in source.readers.values():
        folder = data_root / reader.folder
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            missing.append(reader)
            continue
        found = _count(reader, data_root)
        if not found or found != (reader.published or found):
            of = f" of the {reader.published:,}" if reader.published else ""
            raise CorpusError(
                f"{folder} exists and has {found:,}{of} clips of {reader.corpus}. Nothing is "
                "overwritten: move it away, or give another data_root=…"
            )
    return missing


def _count(reader: PatternReader, root: Path) -> int:
    try:
        return len(reader.scan(root).rows)
    except CorpusError:  # no folder, or no matching file
        return 0


def _lines(source: CorpusSource, data_root: Path, state: str) -> list[str]:
    lines = [
        f"{reader.corpus}: {_count(reader, data_root):,} clips are {state}, in "
        f"{data_root / reader.folder}"
        for reader in source.readers.values()
    ]
    return [*lines, f"next: emotion prepare dataset={source.name} data_root={data_root}"]
