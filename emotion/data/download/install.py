"""The command `download`: a corpus from where it is published to where its reader looks for it.

Nothing takes its name under the data root before it is whole: an archive is fetched and unpacked
in a hidden folder beside it, counted by the corpus' own reader, and then renamed.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.data.corpora.readers import PatternReader
from emotion.data.download.archive import unpack
from emotion.data.download.fetchers import Fetcher
from emotion.errors import CorpusError
from emotion.utils.files import sync_folder

STAGING = ".download"

Bars = Callable[[str, str], Callable[[int, int], None]]
"""Makes a bar of a name and of what is counted; the bar is told (done, total)."""


@dataclass(frozen=True)
class CorpusSource:
    """A published corpus, or several in one archive.

    Args:
        name: of the dataset that reads it.
        page: where it is published.
        licence: under what terms it may be used.
        citation: what to cite.
        readers: by corpus, who will read it and how many clips were published.
        places: see `unpack`.
        max_bytes: what its clips take at most.
        fetch: brings it here; None where only its users can, by `steps`.
        steps: how its users get it by hand.
    """

    name: str
    page: str
    licence: str
    citation: str
    readers: Mapping[str, PatternReader]
    places: Mapping[str, str]
    max_bytes: int
    fetch: Fetcher | None = None
    steps: Sequence[str] = field(default_factory=tuple)

    def about(self) -> str:
        """Return what to know before it is fetched."""
        return f"{self.name}: {self.page}\nlicence: {self.licence}\ncite: {self.citation}"

    def by_hand(self) -> str:
        """Return how its users get it, a numbered line a step."""
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, start=1))


def download(source: CorpusSource, data_root: Path, *, archive: Path | None, bars: Bars) -> str:
    """Put a corpus under the data root; return what is there now, in words.

    Args:
        source: what is wanted; of several corpora, those that are there already stay untouched.
        data_root: where corpora lie.
        archive: a zip file, or a folder, that its user fetched; None to fetch it.
        bars: shows what is done.

    Raises:
        CorpusError: it cannot be fetched or is not whole, or something else lies in its place.
    """
    if not _missing(source, data_root):
        return "\n".join(_lines(source, data_root, "here already"))
    if archive is None and source.fetch is None:
        raise CorpusError(
            f"{source.name} is not here, and only you can fetch it: do the steps above, then "
            f"emotion download {source.name} archive=FILE."
        )
    if archive is not None and not archive.exists():
        raise CorpusError(f"there is no archive {archive}.")
    staging = data_root / STAGING / source.name
    lock = staging.with_name(f"{source.name}.lock")
    staging.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            checked = _bring(source, data_root, staging, archive, bars)
    except Timeout as err:
        raise CorpusError(f"{source.name} is being downloaded to {data_root} already.") from err
    finally:
        if not staging.exists():
            with contextlib.suppress(OSError):  # another corpus is under way there
                lock.unlink(missing_ok=True)
                lock.parent.rmdir()
    lines = _lines(source, data_root, "here now")
    return "\n".join([*lines, f"checked: {checked}, and the number of clips"])


def _bring(
    source: CorpusSource, data_root: Path, staging: Path, archive: Path | None, bars: Bars
) -> str:
    """Fetch and install; return what was checked.

    What was fetched stays in `staging` where the way broke, to go on from; not where it is no good.
    """
    checked = "the archive's own sums of its files"
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
    source: CorpusSource,
    data_root: Path,
    archive: Path,
    unpacked: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Unpack what is missing and rename it into its place, once it is whole and on the disk."""
    shutil.rmtree(unpacked, ignore_errors=True)  # of a call that was killed
    unpack(archive, unpacked, places=source.places, max_bytes=source.max_bytes, progress=progress)
    missing = _missing(source, data_root)
    for reader in missing:
        found = _count(reader, unpacked)
        if reader.published is not None and found != reader.published:
            raise CorpusError(
                f"{archive} holds {found:,} of the {reader.published:,} clips of {reader.corpus}: "
                "it is not whole. Nothing was put in place."
            )
    os.sync()  # all clips at once; one by one takes minutes on a disk that turns
    for reader in missing:
        (unpacked / reader.folder).rename(data_root / reader.folder)
    sync_folder(data_root)


def _missing(source: CorpusSource, data_root: Path) -> list[PatternReader]:
    """Return the readers whose corpus is not there yet.

    Raises:
        CorpusError: something lies in a corpus' place that is not the whole of it.
    """
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
                f"{folder} is there and holds {found:,}{of} clips of {reader.corpus}. Nothing is "
                "written over: move it away, or give another data_root=…"
            )
    return missing


def _count(reader: PatternReader, root: Path) -> int:
    try:
        return len(reader.scan(root).rows)
    except CorpusError:  # no folder, or no file that fits
        return 0


def _lines(source: CorpusSource, data_root: Path, state: str) -> list[str]:
    lines = [
        f"{reader.corpus}: {_count(reader, data_root):,} clips are {state}, in "
        f"{data_root / reader.folder}"
        for reader in source.readers.values()
    ]
    return [*lines, f"next: emotion prepare dataset={source.name} data_root={data_root}"]
