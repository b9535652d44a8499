"""Joined Ogg files."""

import io

import pytest

from emotion.audio.ogg import find_ogg_recordings
from tests.support.compressed import hum, ogg


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_each_recording_of_a_joined_file_is_found(subtype: str) -> None:
    first, second = ogg(hum(2.0), subtype), ogg(hum(1.0), subtype)
    for content, count in ((first, 0), (first + second, 2), (first + b"junk" + second + first, 3)):
        found = find_ogg_recordings(io.BytesIO(content), len(content))
        assert len(found) == count
        assert all(content[each.start :].startswith(b"OggS") for each in found)
