"""Recordings in an MPEG audio file (MP3): files may be joined, and many have no length.

The frame format is that of ISO 11172-3 and 13818-3. The number of frames is in a tag of the first
frame, "Xing" or "Info", if the encoder wrote one.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from emotion.audio.byte_range import ByteRange

BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by version and layer."""

RATES = (44_100, 48_000, 32_000)  # Hz, of version 1
HEAD_BYTES = 64  # of a frame; its tag is within
SEARCHED_BYTES = 1 << 16  # for the next frame
ID3_BYTES, OLD_ID3_BYTES = 10, 128  # of the header of a tag; of a tag of version 1
MIN_JOINED_FRAMES = 2  # fewer than these after the end of a recording are no recording


@dataclass(frozen=True)
class Frame:
    """Header of a frame: bytes, samples per channel, format, and where a tag would begin."""

    size: int
    samples: int
    format: tuple[int, int, int, bool]
    tag_offset: int


@dataclass
class Recording:
    """Frames that belong together; `claimed` is their number by the tag, None without a tag."""

    start: int
    frame: Frame
    claimed: int | None
    stop: int = 0
    count: int = 0

    def as_range(self) -> ByteRange:
        """Return the bytes of the recording, with its length where the tag has it not."""
        frames = None if self.count == self.claimed else self.count * self.frame.samples
        return ByteRange(self.start, self.stop, frames=frames, endless=self.claimed is None)


def find_mpeg_recordings(file: BinaryIO, size: int) -> list[ByteRange]:
    """Return the recordings of an MPEG audio file of `size` bytes.

    The list is empty where libsndfile reads the file as it is: it has one recording with a length,
    or is not such a file.
    """
    start = _skip_id3(file, 0)
    first = _read_frame(file, start)
    if first is None or _read_frame(file, start + first[0].size) is None:
        return []
    frame, head = first
    tag_bytes = _tag_number(head, frame, flag=2) if _tag_number(head, frame, flag=1) else None
    margin = frame.size + OLD_ID3_BYTES
    if tag_bytes is not None and -margin <= start + tag_bytes - size <= frame.size:
        return []  # the tag counts the bytes of the whole file
    recordings: list[Recording] = []
    for position, frame, head in _frames(file, start, size):
        claimed = _tag_number(head, frame, flag=1)
        current = recordings[-1] if recordings else None
        is_next = current is not None and claimed is None and current.count != current.claimed
        if current is None or not is_next or current.frame.format != frame.format:
            current = Recording(position, frame, claimed)
            recordings.append(current)
        current.stop = min(position + frame.size, size)
        current.count += claimed is None  # the frame of a tag has no samples
    joined = [each for each in recordings if each.count >= MIN_JOINED_FRAMES]
    if len(joined) == 1 and joined[0].claimed == joined[0].count:
        return []
    return [each.as_range() for each in joined]


def _frames(file: BinaryIO, start: int, size: int) -> Iterator[tuple[int, Frame, bytes]]:
    """Yield each frame from `start` on: its position, its header and its first bytes."""
    position = start
    while position < size:
        found = _read_frame(file, position)
        if found is None:
            after_tag = _skip_id3(file, position)
            position = after_tag if after_tag > position else _next_frame(file, position, size)
            continue
        yield position, *found
        position += found[0].size


def _next_frame(file: BinaryIO, start: int, size: int) -> int:
    """Return the position of the next frame that another one follows, or `size` without one."""
    file.seek(start)
    content = file.read(SEARCHED_BYTES)
    offset = content.find(b"\xff", 1)
    while offset >= 0:
        frame = parse_frame(content[offset : offset + 4])
        if frame is not None:
            end = start + offset + frame.size
            following = _read_frame(file, end)
            if end == size or (following is not None and following[0].format == frame.format):
                return start + offset
        offset = content.find(b"\xff", offset + 1)
    return size


def _read_frame(file: BinaryIO, position: int) -> tuple[Frame, bytes] | None:
    file.seek(position)
    head = file.read(HEAD_BYTES)
    frame = parse_frame(head[:4])
    return None if frame is None else (frame, head)


@functools.lru_cache(maxsize=4096)
def parse_frame(header: bytes) -> Frame | None:
    """Return the frame of a header of 4 bytes, or None where it is not a valid one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version_bits, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version_bits == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    version = 1 if version_bits == 3 else 2
    sample_rate = RATES[rate] >> {3: 0, 2: 1, 0: 2}[version_bits]
    samples = 384 if layer == 1 else 576 if layer == 3 and version == 2 else 1152
    slot = 4 if layer == 1 else 1
    bits_per_s = 1000 * BITRATES[version, layer][bitrate - 1]
    size = (samples // 8 // slot * bits_per_s // sample_rate + padding) * slot
    mono = header[3] >> 6 == 3
    side_information = (17 if mono else 32) if version == 1 else (9 if mono else 17)
    checksum = 0 if header[1] & 1 else 2
    return Frame(size, samples, (version_bits, layer, rate, mono), 4 + checksum + side_information)


def _is_tag(head: bytes, frame: Frame) -> bool:
    return head[frame.tag_offset : frame.tag_offset + 4] in (b"Xing", b"Info")


def _tag_number(head: bytes, frame: Frame, *, flag: int) -> int | None:
    """Return the number of frames (flag 1) or of bytes (flag 2) in a tag; None if it has none."""
    start = frame.tag_offset + 4
    flags = int.from_bytes(head[start : start + 4], "big")
    if not _is_tag(head, frame) or not flags & flag:
        return None
    offset = start + 4 + (4 if flag == 2 and flags & 1 else 0)
    return int.from_bytes(head[offset : offset + 4], "big") or None


def _skip_id3(file: BinaryIO, position: int) -> int:
    """Return the position after the ID3 tags that begin at a position."""
    while True:
        file.seek(position)
        head = file.read(ID3_BYTES)
        if head[:3] == b"TAG":
            position += OLD_ID3_BYTES
        elif head[:3] == b"ID3" and len(head) == ID3_BYTES:
            length = 0
            for byte in head[6:]:
                length = length << 7 | byte & 0x7F
            position += ID3_BYTES + length + (ID3_BYTES if head[5] & 0x10 else 0)
        else:
            return position
