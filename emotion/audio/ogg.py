"""Recordings in an Ogg file: of joined files, each begins with first pages (RFC 3533)."""

from typing import BinaryIO

from emotion.audio.byte_range import ByteRange

PAGE_BYTES = 27  # of a page's header, before the sizes of its segments
FIRST_PAGE = 2  # flag of the first page of a stream
SEARCHED_BYTES = 1 << 17  # for the next page: a page has up to 65,307 bytes


def find_ogg_recordings(file: BinaryIO, size: int) -> list[ByteRange]:
    """Return the recordings of an Ogg file of `size` bytes; empty where it has one, or none."""
    starts: list[int] = []
    position, was_first = 0, False
    while position < size:
        file.seek(position)
        head = file.read(PAGE_BYTES)
        if head[:4] != b"OggS" or len(head) < PAGE_BYTES:
            position = _next_page(file, position, size)
            continue
        is_first = bool(head[5] & FIRST_PAGE)
        if is_first and not was_first:
            starts.append(position)
        was_first = is_first
        segments = file.read(head[26])
        position += PAGE_BYTES + len(segments) + sum(segments)
    if len(starts) < 2:
        return []
    return [ByteRange(*span) for span in zip(starts, [*starts[1:], size], strict=True)]


def _next_page(file: BinaryIO, position: int, size: int) -> int:
    file.seek(position)
    offset = file.read(SEARCHED_BYTES).find(b"OggS", 1)
    return size if offset < 0 else position + offset
