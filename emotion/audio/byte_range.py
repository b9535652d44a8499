"""Part of an open file as a file of its own, as libsndfile reads it."""

import os
from dataclasses import dataclass
from typing import BinaryIO

ENDLESS = 1 << 40
"""Length that is given for a stream without a length of its own, so that it is read to its end."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes of a file with one stream of audio.

    Attributes:
        start: first byte.
        stop: the byte after the last.
        frames: number of samples per channel by counting, where the stream's header has no number
            or a wrong one; None where its header is right.
        endless: whether libsndfile must not estimate the number of samples from the bytes.
    """

    start: int
    stop: int
    frames: int | None = None
    endless: bool = False


class RangeReader:
    """A byte range, opened for libsndfile.

    Attributes:
        error: of reading the file: libsndfile takes it for the end of the file.
    """

    def __init__(self, file: BinaryIO, span: ByteRange) -> None:
        self.file = file
        self.span = span
        self.length = ENDLESS if span.endless else span.stop - span.start
        self.position = 0
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as files do."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.length}[whence]
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def read(self, size: int) -> bytes:
        """Return the next bytes; zeros for a tag at the end of an endless file."""
        available = self.span.stop - self.span.start - self.position
        try:
            self.file.seek(self.span.start + self.position)
            content = self.file.read(max(0, min(size, available)))
        except OSError as err:
            self.error = err
            return b""
        if self.span.endless and self.position >= self.length - 128:
            content = bytes(min(size, self.length - self.position))
        self.position += len(content)
        return content
