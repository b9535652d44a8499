"""MP3 files have the requested bitrate."""

import io

import numpy as np
import pytest
import soundfile as sf

from emotion.utils.mp3 import encode_mp3


@pytest.mark.parametrize("kbps", [16, 48, 64])
def test_file_has_its_bitrate_and_sample_rate(kbps: int) -> None:
    wave = np.random.default_rng(0).normal(scale=0.1, size=32_000).astype(np.float32)
    content = encode_mp3(wave, 16_000, kbps=kbps)
    assert len(content) * 8 / 2.0 == pytest.approx(1000 * kbps, rel=0.1)
    assert sf.info(io.BytesIO(content)).samplerate == 16_000
