"""Fetchers of corpora: a web archive, an audb database, or a Kaggle dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emotion.config.composition import first_line
from emotion.data.download.http import Progress, digest_of, fetch_file
from emotion.errors import CorpusError, DependencyError
from emotion.utils.progress import is_interactive


class Fetcher(Protocol):
    """Interface of all fetchers; an interrupted fetch is continued by the next call.

    A failed fetch raises CorpusError, a missing package DependencyError.
    """

    @property
    def checked(self) -> str:
        """The check that a file is the published one, for messages."""

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the fetched zip archive or folder of files; `folder` is for temporary files."""


@dataclass(frozen=True)
class WebArchive:
    """A zip archive on the web."""

    url: str  # http or https
    size: int | None = None  # published size in bytes, if any
    checksum: str | None = None  # published md5:… or sha256:…, if any

    @property
    def checked(self) -> str:
        """The kind of the checksum."""
        if self.checksum:
            return f"{self.checksum.partition(':')[0]} of the archive"
        return "the checksums within the archive (none was published for the archive)"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the complete, checked archive."""
        name = self.url.partition("?")[0].rpartition("/")[2] or "archive.zip"
        return fetch_file(
            self.url, folder / name, size=self.size, checksum=self.checksum, progress=progress
        )


@dataclass(frozen=True)
class AudbDatabase:
    """A fixed version of a database in audb's public repository; no account is needed."""

    name: str
    version: str

    @property
    def checked(self) -> str:
        """The kind of the checksums."""
        return f"md5 of every file, as in audb's {self.name} {self.version}"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the folder of the published files of the database.

        Raises:
            DependencyError: audb is not installed.
            CorpusError: audb cannot fetch it, or a file is not the published one.
        """
        try:
            import audb
        except ImportError as err:
            raise DependencyError(
                f"downloading {self.name} needs audb: pip install 'emotion[download]'. Or download "
                "the archive yourself and give archive=FILE."
            ) from err
        root, cache = folder / f"{self.name}-{self.version}", folder / "audb"
        cache.mkdir(parents=True, exist_ok=True)
        source = {"version": self.version, "cache_root": str(cache)}
        options = {"num_workers": 4, "pickle_tables": False, "verbose": is_interactive()}
        try:
            audb.load_to(str(root), self.name, **source, **options)
            known = audb.dependencies(self.name, **source)
        except Exception as err:  # each backend of audb has its own exceptions
            raise CorpusError(
                f"audb cannot fetch {self.name} {self.version}: {_one_line(err)}. The same command "
                "continues the download."
            ) from err
        files = [file for file in known.media if not known.removed(file)]
        for done, file in enumerate(files, start=1):
            path = root / file
            if not path.is_file() or digest_of(path, "md5") != known.checksum(file):
                path.unlink(missing_ok=True)
                raise CorpusError(
                    f"{file} differs from the file in audb's {self.name} {self.version} and was "
                    "removed. Run the same command again."
                )
            progress(done, len(files))
        return root


@dataclass(frozen=True)
class KaggleDataset:
    """A Kaggle dataset, in kagglehub's cache; Kaggle may require its API token."""

    handle: str

    @property
    def checked(self) -> str:
        """The kind of the checksum."""
        return "the checksum that Kaggle sends with the archive"

    def fetch(self, folder: Path, progress: Progress) -> Path:
        """Return the folder of the dataset's files in kagglehub's cache.

        Raises:
            DependencyError: kagglehub is not installed.
            CorpusError: kagglehub cannot fetch it.
        """
        del folder, progress  # kagglehub has its own
        page = f"https://www.kaggle.com/datasets/{self.handle}"
        manual = f"Or download the archive from {page} with a browser and give archive=FILE."
        try:
            import kagglehub
        except ImportError as err:
            raise DependencyError(
                f"downloading {self.handle} needs kagglehub: pip install 'emotion[download]'. "
                f"{manual}"
            ) from err
        try:
            return Path(kagglehub.dataset_download(self.handle))
        except Exception as err:  # kagglehub and its clients have their own exceptions
            raise CorpusError(
                f"kagglehub cannot fetch {self.handle}: {_one_line(err)}. The same command "
                "continues the download; kagglehub logs in with a token from "
                f"https://www.kaggle.com/settings in KAGGLE_API_TOKEN. {manual}"
            ) from err


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}".rstrip(".")
