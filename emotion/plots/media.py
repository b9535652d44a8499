"""Spectrogram images and MP3 audio embedded in pages."""

import base64
from io import BytesIO

import numpy as np
import soundfile as sf

from emotion.audio.decode import Wave

RATE = 16_000
"""Of the sounds and spectrograms on a page, Hz."""

BANDS, HOP, RANGE_DB, SHADES = 128, 200, 60.0, 16
KBPS = 48


def spectrogram_png(wave: Wave, *, heard_s: float | None, hop: int = HOP) -> bytes:
    """Return a spectrogram of a clip at `RATE`, (T,), as ink on nothing: its opacity is the level.

    From 0 Hz at the bottom to half the rate, the upper `RANGE_DB` of the clip, one column every
    `hop` samples. What comes after `heard_s` is paler: a model that is given only the beginning
    never hears it.
    """
    from PIL import Image

    size = 4 * BANDS
    padded = np.pad(wave, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)[:, :-1]) ** 2
    bands = power.reshape(len(frames), BANDS, 2).mean(axis=2)  # (F, BANDS)
    levels = 10 * np.log10(np.maximum(bands, 1e-12))
    ink = np.clip(1 + (levels - max(levels.max(), -RANGE_DB)) / RANGE_DB, 0, 1)  # silence is blank
    if heard_s is not None:
        ink[round(heard_s * RATE / hop) :] *= 0.35
    opacity = (np.round(ink * (SHADES - 1)) * (255 // (SHADES - 1))).astype(np.uint8).T[::-1]
    picture = np.stack([np.zeros_like(opacity), opacity], axis=-1)  # (BANDS, F, grey and alpha)
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def mp3(wave: Wave) -> bytes:
    """Return a clip at `RATE`, (T,), as an MP3 file of `KBPS` kbit/s."""
    file = BytesIO()
    level = (160 - KBPS) / (160 - 8)  # libsndfile: 0 is MPEG-2's highest bitrate, 1 its lowest
    sf.write(file, wave, RATE, format="MP3", compression_level=level, bitrate_mode="CONSTANT")
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return a file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
