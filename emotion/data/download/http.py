"""HTTP download of a file: continues interrupted transfers and checks size and checksum."""

import hashlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from emotion.errors import CorpusError
from emotion.utils.files import write_text

BLOCK_BYTES = 1 << 18
TIMEOUT_SECONDS = 60
MAX_PAUSE_SECONDS = 30  # the longest pause before the next try
BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))  # status codes of temporary errors

Progress = Callable[[int, int], None]  # called with received and total bytes (0: unknown)

log = logging.getLogger(__name__)


class _TransferError(Exception):
    """The server or the connection failed; another try may succeed."""


def fetch_file(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    progress: Progress | None = None,
    attempts: int = 6,
    pause_seconds: float = 1.0,
) -> Path:
    """Return `target`, downloaded if missing; an earlier transfer is continued.

    It exists only when it is complete and has the published size (in bytes) and checksum (md5:… or
    sha256:…). At most `attempts` consecutive tries get no data; the pause before the second one is
    doubled for each further try.

    Raises:
        CorpusError: the server refuses, the connection fails repeatedly, or the file differs from
            the published one.
    """
    if not re.match(r"https?://", url):
        raise CorpusError(f"{url} is not a web address: it must begin with https:// or http://.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file():
        return target
    partial = target.with_name(f"{target.name}.partial")
    failures = 0
    while True:
        before = _received_bytes(partial)
        try:
            _receive(url, partial, size=size, progress=progress)
            break
        except _TransferError as err:
            failures = failures + 1 if _received_bytes(partial) <= before else 1
            if failures >= attempts:
                raise CorpusError(
                    f"{url} cannot be downloaded: {err}. {_received_bytes(partial):,} bytes are "
                    "here; the same command continues after them."
                ) from err
            log.warning("%s; continuing at %s bytes", err, f"{_received_bytes(partial):,}")
            time.sleep(min(pause_seconds * 2 ** (failures - 1), MAX_PAUSE_SECONDS))
    _check(partial, url, size=size, checksum=checksum)
    _version_file(partial).unlink(missing_ok=True)
    return partial.replace(target)


def digest_of(path: Path, kind: str) -> str:
    """Return a file's digest in hexadecimal; md5 only detects accidental damage."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
        return digest.hexdigest()


def _receive(url: str, partial: Path, *, size: int | None, progress: Progress | None) -> None:
    """Append the missing bytes to `partial`; another try may succeed after a _TransferError."""
    here = _received_bytes(partial)
    if size is not None and here == size:
        return
    headers = {"User-Agent": "emotion", "Accept-Encoding": "identity"}
    version = _version_file(partial)
    if here:
        headers["Range"] = f"bytes={here}-"
        if version.is_file():  # the server sends a changed file from its start
            headers["If-Range"] = version.read_text(encoding="utf-8")
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as err:
        if err.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink(missing_ok=True)
            raise _TransferError("the file on the server has changed") from err
        if err.code in BUSY:
            raise _TransferError(f"the server returned {err.code} {err.reason}") from err
        raise CorpusError(
            f"{url}: the server returned {err.code} {err.reason}. The file may have moved: "
            "download it with a browser and give archive=FILE."
        ) from err
    except (OSError, http.client.HTTPException) as err:
        raise _TransferError(f"no connection ({err})") from err
    with response:
        start, total = _parse_extent(response, here)
        if size is not None and total not in (None, size):
            raise CorpusError(
                f"{url} has {total:,} bytes, not the published {size:,}: it is another file. "
                "Download the right one with a browser and give archive=FILE."
            )
        _save_version(version, response)
        with partial.open("r+b" if start else "wb") as file:
            file.truncate(start)
            done = file.seek(start)
            while block := _read(response):
                done += len(block)
                if total is not None and done > total:
                    raise CorpusError(f"{url} sends more than the {total:,} bytes it announced.")
                file.write(block)
                if progress is not None:
                    progress(done, total or 0)
    if total is not None and done < total:
        raise _TransferError(f"the connection was interrupted at {done:,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK_BYTES)
    except (OSError, http.client.HTTPException) as err:
        raise _TransferError(f"the connection was interrupted ({err})") from err


def _parse_extent(response: http.client.HTTPResponse, here: int) -> tuple[int, int | None]:
    """Return the offset of the response in the file, and the size of the file if it is given."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    extent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if extent is None or int(extent[1]) != here:
        raise _TransferError(f"the server did not continue at {here:,} bytes")
    return here, int(extent[2]) if extent[2].isdigit() else None


def _save_version(path: Path, response: http.client.HTTPResponse) -> None:
    """Save the identifier of this version of the file: its strong tag, or its date."""
    tag = response.headers.get("ETag", "")
    version = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    if version:
        write_text(path, version)
    else:
        path.unlink(missing_ok=True)


def _check(partial: Path, url: str, *, size: int | None, checksum: str | None) -> None:
    """Remove a file whose size or checksum differs from the published one, and raise an error."""
    found = _received_bytes(partial)
    problem = "" if size in (None, found) else f"{found:,} bytes, not {size:,}"
    if not problem and checksum:
        kind, _, expected = checksum.partition(":")
        digest = digest_of(partial, kind)
        problem = "" if digest == expected.lower() else f"the {kind} {digest}, not {expected}"
    if problem:
        partial.unlink()
        _version_file(partial).unlink(missing_ok=True)
        raise CorpusError(
            f"{url} returned a file of {problem}: it is damaged or another file, and was removed. "
            "Run the same command again."
        )


def _received_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")
