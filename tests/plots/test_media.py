"""Any clip has a spectrogram and a sound for a page."""

import base64
import io

import numpy as np
import pytest
import soundfile as sf
from PIL import Image

from emotion.plots.media import RATE, audio_uri, scale_to_peak, spectrogram_png
from tests.support.archive import voice


@pytest.mark.parametrize("samples", [1, 100, RATE])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_any_clip_has_a_spectrogram_and_a_sound(samples: int, level: float) -> None:
    wave = scale_to_peak(voice(1.0, RATE, level=level)[:samples])
    assert np.isfinite(wave).all()
    with Image.open(io.BytesIO(spectrogram_png(wave, input_s=0.5))) as image:
        assert image.mode == "LA"
    kind, _, content = audio_uri(wave).partition(",")
    assert kind == "data:audio/mpeg;base64"
    assert sf.info(io.BytesIO(base64.b64decode(content))).samplerate == RATE


def test_spectrogram_has_high_tones_on_top_and_pales_after_the_model_input() -> None:
    wave = np.sin(2 * np.pi * 7000 * np.arange(RATE) / RATE).astype(np.float32)
    with Image.open(io.BytesIO(spectrogram_png(wave, input_s=0.5))) as image:
        opacity = np.asarray(image)[..., 1].astype(float)  # (bands, frames)
    quarter, half = len(opacity) // 4, opacity.shape[1] // 2
    assert opacity[:quarter].sum() > 10 * opacity[quarter:].sum()
    assert opacity[:, 5 : half - 5].max() > 2 * opacity[:, half + 5 : -5].max()
