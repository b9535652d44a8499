"""Lengths of MP3 files: without a tag, with a wrong one, and of several recordings."""

import io
from itertools import pairwise

import numpy as np
import pytest

from emotion.audio.mpeg import find_mpeg_recordings, parse_frame
from tests.support.compressed import hum, mp3, without_tag
from tests.support.hostile import ID3

FRAME = 576  # samples of a frame at 16 kHz


def recordings(content: bytes):
    return find_mpeg_recordings(io.BytesIO(content), len(content))


def test_a_file_with_a_right_tag_is_left_to_libsndfile() -> None:
    for mode in ("VARIABLE", "CONSTANT"):
        content = mp3(hum(3.0), mode=mode)
        for tags in (content, ID3 + content, content + b"TAG" + bytes(125)):
            assert recordings(tags) == []


def test_frames_are_counted_where_no_tag_counts_them() -> None:
    content = without_tag(mp3(hum(3.0)))
    (found,) = recordings(content)
    assert (found.start, found.stop, found.endless) == (0, len(content), True)
    assert 48_000 <= found.frames <= 48_000 + 3 * FRAME


def test_a_cut_file_has_the_frames_that_are_left() -> None:
    content = mp3(hum(3.0, quiet=0.0))
    (found,) = recordings(content[: len(content) // 2])
    assert abs(found.frames - 24_000) < 3 * FRAME


def test_joined_recordings_are_found_at_their_first_frames() -> None:
    parts = [mp3(hum(2.0)), without_tag(mp3(hum(1.0))), mp3(hum(1.0), mode="CONSTANT")]
    parts.append(without_tag(mp3(hum(1.0, channels=2))))
    found = recordings(b"".join(parts))
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    assert [(each.start, each.stop) for each in found] == list(pairwise(starts))
    assert [each.endless for each in found] == [False, True, False, True]


def test_tags_between_recordings_are_passed_over() -> None:
    picture = b"\xff\xfb\x90\x64" * 200  # as in a cover image: bytes of a valid frame header
    tag = ID3[:20] + picture + ID3[20 + len(picture) :]
    first, second = mp3(hum(2.0)), mp3(hum(1.0))
    found = recordings(tag + first + b"TAG" + bytes(125) + tag + second)
    assert [each.stop - each.start for each in found] == [len(first), len(second)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 5_000,
        b"\xff\xfb\x90\x64",
        bytes(5_000),
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
        b"ID3",
    ],
)
def test_other_bytes_have_no_recordings(content: bytes) -> None:
    assert recordings(content) == []


@pytest.mark.parametrize(
    ("header", "size", "samples"),
    [
        ("fffb9064", 417, 1152),  # MPEG 1, layer III, 128 kbit/s, 44.1 kHz
        ("fffb9264", 418, 1152),  # the same, padded
        ("fff38064", 208 + 0, 576),  # MPEG 2, layer III, 64 kbit/s, 22.05 kHz
        ("fffd9064", 522, 1152),  # MPEG 1, layer II, 160 kbit/s, 44.1 kHz
        ("ffff9064", 312, 384),  # MPEG 1, layer I, 288 kbit/s, 44.1 kHz
    ],
)
def test_a_frame_has_its_standard_size(header: str, size: int, samples: int) -> None:
    frame = parse_frame(bytes.fromhex(header))
    assert frame is not None
    assert (frame.size, frame.samples) == (size, samples)


@pytest.mark.parametrize("header", ["", "fffb", "fffb0064", "fffbf064", "fffb9c64", "ffeb9064"])
def test_an_invalid_header_is_no_frame(header: str) -> None:
    assert parse_frame(bytes.fromhex(header)) is None
