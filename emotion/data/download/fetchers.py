"""Where a corpus comes from: an archive on the web, a database of audb, a dataset of Kaggle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emotion.config.composition import first_line
from emotion.data.download.http import Progress, digest_of, fetch_file
from emotion.errors import CorpusError, DependencyError
from emotion.utils.progress import is_interactive

AUDB_WORKERS = 4


class Fetcher(Protocol):
    """Anything that brings a corpus' files here; a call that was stopped is continued."""

    @property
    def checked(self) -> str:
        """What a fetched file is known to be the published one by, in words."""

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the fetched zip archive, or a folder of files. `folder` is for its own use."""


@dataclass(frozen=True)
class WebArchive:
    """A zip archive under an address.

    Args:
        url: http or https.
        size: bytes, if published.
        checksum: md5:… or sha256:…, if published.
    """

    url: str
    size: int | None = None
    checksum: str | None = None

    @property
    def checked(self) -> str:
        """The kind of the checksum."""
        if self.checksum:
            return f"{self.checksum.partition(':')[0]} of the archive"
        return "the archive's own sums of its files (no checksum was published)"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the archive, whole and checked."""
        name = self.url.partition("?")[0].rpartition("/")[2] or "archive.zip"
        return fetch_file(
            self.url,
            folder / name,
            size=self.size,
            checksum=self.checksum,
            progress=progress,
        )


@dataclass(frozen=True)
class AudbDatabase:
    """A database of audb's public repository, in a fixed version; no account is needed."""

    name: str
    version: str

    @property
    def checked(self) -> str:
        """The kind of the checksums."""
        return f"md5 of every file, as in audb's {self.name} {self.version}"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the folder of the database's files, as they were published.

        Raises:
            DependencyError: audb is not installed.
            CorpusError: audb cannot fetch it, or a file is not the published one.
        """
        try:
            import audb
        except ImportError as err:
            raise DependencyError(
                f"fetching {self.name} needs audb: pip install 'emotion[download]'. Or fetch the "
                "archive yourself and give archive=FILE."
            ) from err
        root, cache = folder / f"{self.name}-{self.version}", folder / "audb"
        cache.mkdir(parents=True, exist_ok=True)
        try:
            audb.load_to(
                str(root),
                self.name,
                version=self.version,
                cache_root=str(cache),
                num_workers=AUDB_WORKERS,
                pickle_tables=False,
                verbose=is_interactive(),
            )
            known = audb.dependencies(self.name, version=self.version, cache_root=str(cache))
        except Exception as err:  # each of audb's backends has errors of its own
            raise CorpusError(
                f"audb cannot fetch {self.name} {self.version}: {_said(err)}. The same command "
                "goes on with what is here."
            ) from err
        files = [file for file in known.media if not known.removed(file)]
        for done, file in enumerate(files, start=1):
            path = root / file
            if not path.is_file() or digest_of(path, "md5") != known.checksum(file):
                path.unlink(missing_ok=True)
                raise CorpusError(
                    f"{file} is not the file that audb's {self.name} {self.version} has, and was "
                    "removed. Run the same command again."
                )
            progress(done, len(files))
        return root


@dataclass(frozen=True)
class KaggleDataset:
    """A dataset of Kaggle, fetched and kept by kagglehub; Kaggle may ask for its API token."""

    handle: str

    @property
    def checked(self) -> str:
        """What kagglehub checks."""
        return "the checksum that Kaggle sends with the archive"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the folder of the dataset's files, in kagglehub's own cache.

        Raises:
            DependencyError: kagglehub is not installed.
            CorpusError: kagglehub cannot fetch it.
        """
        del folder, progress  # kagglehub has both of its own
        page = f"https://www.kaggle.com/datasets/{self.handle}"
        by_hand = f"Or fetch the archive from {page} with a browser and give archive=FILE."
        try:
            import kagglehub
        except ImportError as err:
            raise DependencyError(
                f"this needs kagglehub: pip install 'emotion[download]'. {by_hand}"
            ) from err
        try:
            return Path(kagglehub.dataset_download(self.handle))
        except Exception as err:  # of kagglehub, of requests, of Kaggle's own client
            raise CorpusError(
                f"Kaggle does not give {self.handle}: {_said(err)}. The same "
                "command goes on with what is here; a token from https://www.kaggle.com/settings "
                f"in KAGGLE_API_TOKEN lets kagglehub log in. {by_hand}"
            ) from err


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}".rstrip(".")
