"""Files with random headers and samples: each is decoded, or refused with a reason."""

import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.audio.clip_statistics import measure_clip
from emotion.audio.decode import decode, read_header
from emotion.audio.mono import MAX_PEAK
from emotion.audio.quantise import quantise
from emotion.audio.standardise import Standardiser
from emotion.errors import AudioError
from tests.support.hostile import PCM, chunk, encoded, fmt, wav

PLAIN = wav(fmt(), chunk(b"LIST", b"INFO" + bytes(20)), chunk(b"data", PCM[:400]))
STANDARD = Standardiser(16_000, trim_db=40, max_duration_ms=1_000, padding="zero")

U16 = st.sampled_from([0, 1, 2, 3, 6, 7, 8, 16, 17, 24, 32, 64, 0x7FFF, 0xFFFE, 0xFFFF])
U32 = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 16, 36, 0x7FFFFFFF, 0xFFFFFFFF]))


@st.composite
def mutated(draw: Callable[..., int], content: bytes) -> bytes:
    """Return a file with random fields of its first 120 bytes changed, sometimes truncated."""
    out = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        offset = draw(st.integers(0, min(120, len(out) - 4)))
        if draw(st.booleans()):
            struct.pack_into("<H", out, offset // 2 * 2, draw(U16))
        else:
            struct.pack_into("<I", out, offset // 2 * 2, draw(U32))
    return bytes(out[: draw(st.integers(1, len(out)))] if draw(st.booleans()) else out)


def check(content: bytes) -> None:
    """Assert that a file gives samples that all later steps can process, or a reason."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(content)
        file.flush()
        try:
            header = read_header(Path(file.name))
            wave, rate = decode(Path(file.name))
        except AudioError as err:
            assert re.fullmatch("(is|has|holds) .+", str(err))  # noqa: PT017 - or it is decoded
            return
    assert header.sample_rate == rate
    assert wave.dtype == np.float32
    assert wave.ndim == 1
    assert len(wave)
    assert np.isfinite(wave).all()
    assert np.abs(wave).max() <= MAX_PEAK
    statistics = measure_clip(wave, rate)
    assert np.isfinite([statistics.level_db, statistics.loudest_db, statistics.dc]).all()
    samples, scale = quantise(STANDARD(wave, rate), "int16")
    assert len(samples)
    assert np.isfinite(scale)


@pytest.mark.filterwarnings("error")
@settings(max_examples=250)
@given(mutated(PLAIN))
def test_a_wav_with_any_header_is_decoded_or_refused_with_a_reason(content: bytes) -> None:
    check(content)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("container", ["WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG"])
def test_every_container_with_any_header_is_decoded_or_refused(container: str) -> None:
    content = encoded(container, seconds=0.05)

    @settings(max_examples=60)
    @given(mutated(content))
    def try_headers(content: bytes) -> None:
        check(content)

    try_headers()


@pytest.mark.filterwarnings("error")
@settings(max_examples=60)
@given(st.lists(st.floats(width=32), min_size=1, max_size=300))
def test_any_float_samples_are_decoded_or_refused(values: list[float]) -> None:
    samples = np.array(values, dtype="<f4").tobytes()
    check(wav(fmt(tag=3, bits=32), chunk(b"data", samples)))
