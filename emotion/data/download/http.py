"""A file from the web: goes on where a broken transfer stopped, and is checked before it counts."""

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
PATIENCE_SECONDS = 30
"""The longest pause before another try."""

BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))
"""ModelOutput of a server that may give another one later."""

RANGE_REFUSED = 416

Progress = Callable[[int, int], None]
"""Called with the bytes that are here, and the bytes in all (0: unknown)."""

log = logging.getLogger(__name__)


class _TransferError(Exception):
    """The other side, or the way to it, failed; another try may succeed."""


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
    """Return `target`, fetched where it is missing; a transfer begun earlier is continued.

    Args:
        url: http or https.
        target: takes its name once it is whole and checked.
        size: bytes that were published.
        checksum: that was published, as md5:… or sha256:….
        progress: told after every block.
        attempts: tries in a row that may bring nothing.
        pause_seconds: before the second try; doubled with each one.

    Raises:
        CorpusError: the server refuses, the way to it stays broken, or it is another file.
    """
    if not re.match(r"https?://", url):
        raise CorpusError(f"{url} is no web address: it must begin with https:// or http://.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file():
        return target
    partial = target.with_name(f"{target.name}.partial")
    failures = 0
    while True:
        before = _bytes_here(partial)
        try:
            _receive(url, partial, size=size, progress=progress)
            break
        except _TransferError as err:
            failures = failures + 1 if _bytes_here(partial) <= before else 1
            if failures >= attempts:
                raise CorpusError(
                    f"{url} cannot be fetched: {err}. {_bytes_here(partial):,} bytes are here; "
                    "the same command goes on from them."
                ) from err
            log.warning("%s; going on at %s bytes", err, f"{_bytes_here(partial):,}")
            time.sleep(min(pause_seconds * 2 ** (failures - 1), PATIENCE_SECONDS))
    _check(partial, url, size=size, checksum=checksum)
    _version_file(partial).unlink(missing_ok=True)
    return partial.replace(target)


def digest_of(path: Path, kind: str) -> str:
    """Return a file's digest, in hexadecimal; md5 only guards against accidents."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _receive(url: str, partial: Path, *, size: int | None, progress: Progress | None) -> None:
    """Append to `partial` what it lacks of the file.

    Raises:
        _TransferError: the connection was cut, or the server is busy.
        CorpusError: the server refuses, or has another file.
    """
    here = _bytes_here(partial)
    if size is not None and here == size:
        return
    headers = {"User-Agent": "emotion", "Accept-Encoding": "identity"}
    version = _version_file(partial)
    if here:
        headers["Range"] = f"bytes={here}-"
        if version.is_file():  # of a file that has changed, all is sent
            headers["If-Range"] = version.read_text(encoding="utf-8")
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as err:
        if err.code == RANGE_REFUSED:
            partial.unlink(missing_ok=True)
            raise _TransferError("the server has another file than the one begun") from err
        if err.code in BUSY:
            raise _TransferError(f"the server answers {err.code} {err.reason}") from err
        raise CorpusError(
            f"{url}: the server answers {err.code} {err.reason}. Has the file moved? Fetch it with "
            "a browser and give archive=FILE."
        ) from err
    except (OSError, http.client.HTTPException) as err:
        raise _TransferError(f"no connection ({err})") from err
    with answer:
        start, total = _extent(answer, here)
        if size is not None and total not in (None, size):
            raise CorpusError(
                f"{url} has {total:,} bytes, not the {size:,} that were published: it is another "
                "file. Fetch the right one with a browser and give archive=FILE."
            )
        _note_version(version, answer)
        with partial.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            done = start
            while block := _read(answer):
                done += len(block)
                if total is not None and done > total:
                    raise CorpusError(f"{url} sends more than the {total:,} bytes it announced.")
                file.write(block)
                if progress is not None:
                    progress(done, total or 0)
    if total is not None and done < total:
        raise _TransferError(f"the connection was cut at {done:,} of {total:,} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(BLOCK_BYTES)
    except (OSError, http.client.HTTPException) as err:
        raise _TransferError(f"the connection was cut ({err})") from err


def _extent(answer: http.client.HTTPResponse, here: int) -> tuple[int, int | None]:
    """Return where in the file the answer begins, and the whole file's bytes if that is said.

    Raises:
        _TransferError: the answer begins elsewhere.
    """
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != here:
        raise _TransferError(f"the server sends another part than the one from {here:,} on")
    return here, int(said[2]) if said[2].isdigit() else None


def _note_version(path: Path, answer: http.client.HTTPResponse) -> None:
    """Keep what tells this version of the file from another: its strong tag, or its date."""
    tag = answer.headers.get("ETag", "")
    said = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
    if said:
        write_text(path, said)
    else:
        path.unlink(missing_ok=True)


def _check(partial: Path, url: str, *, size: int | None, checksum: str | None) -> None:
    """Remove what is not the published file.

    Raises:
        CorpusError: its size or checksum is another.
    """
    found = _bytes_here(partial)
    said = "" if size in (None, found) else f"{found:,} bytes, not {size:,}"
    if not said and checksum:
        kind, _, wanted = checksum.partition(":")
        digest = digest_of(partial, kind)
        said = "" if digest == wanted.lower() else f"the {kind} {digest}, not {wanted}"
    if said:
        partial.unlink()
        _version_file(partial).unlink(missing_ok=True)
        raise CorpusError(
            f"{url} gave a file of {said}: it is damaged or another one, and was removed. "
            "Run the same command again."
        )


def _bytes_here(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")
