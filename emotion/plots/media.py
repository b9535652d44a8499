"""Spectrogram images and MP3 audio embedded in pages."""

import base64
from io import BytesIO

import numpy as np

from emotion.audio.decode import Wave
from emotion.utils.mp3 import encode_mp3

RATE = 16_000
"""Sample rate of the sounds and spectrograms on a page, Hz."""

BANDS, HOP, RANGE_DB, SHADES = 128, 200, 60.0, 16
"""Of a spectrogram: rows, samples a column, the levels shown below the maximum, and shades."""


def spectrogram_png(wave: Wave, *, input_s: float | None, hop: int = HOP) -> bytes:
    """Return a spectrogram of a clip at `RATE`, (T,), as a black image whose opacity is the level.

    It spans 0 Hz, at the bottom, to half the rate, and the upper `RANGE_DB` of the clip, with a
    column every `hop` samples. Columns after `input_s`, which the model does not receive, are
    paler.
    """
    from PIL import Image

    size = 4 * BANDS
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, size // 2), size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)[:, :-1]) ** 2
    bands = power.reshape(len(frames), BANDS, 2).mean(axis=2)  # (F, BANDS)
    levels = 10 * np.log10(np.maximum(bands, 1e-12))
    maximum = max(levels.max(), -RANGE_DB)  # a silent clip is transparent
    ink = np.clip(1 + (levels - maximum) / RANGE_DB, 0, 1)
    if input_s is not None:
        ink[round(input_s * RATE / hop) :] *= 0.35
    opacity = (np.round(ink * (SHADES - 1)) * (255 // (SHADES - 1))).astype(np.uint8).T[::-1]
    image = np.stack([np.zeros_like(opacity), opacity], axis=-1)  # (BANDS, F, grey and alpha)
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def scale_to_peak(wave: Wave) -> Wave:
    """Return a clip with a peak of 0.9, since the levels of corpora differ 20-fold."""
    return wave * np.float32(0.9 / max(float(np.abs(wave).max()), 1e-9))


def audio_uri(wave: Wave) -> str:
    """Return a clip at `RATE`, (T,), as a data URI of an MP3 file."""
    return data_uri(encode_mp3(wave, RATE, kbps=48), "audio/mpeg")


def data_uri(content: bytes, media_type: str) -> str:
    """Return the data URI of a file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
