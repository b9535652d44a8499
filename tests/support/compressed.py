"""MP3, Ogg and FLAC files in memory, with and without their lengths."""

import io

import numpy as np
import numpy.typing as npt
import soundfile as sf

from emotion.audio.mpeg import parse_frame

RATE = 16_000
Samples = npt.NDArray[np.floating]


def hum(seconds: float, *, quiet: float = 0.5, rate: int = RATE, channels: int = 1) -> Samples:
    """Return a tone, (T,) or (T, channels), of which the first part, `quiet`, is almost silent."""
    count = round(seconds * rate)
    noise = 0.2 * np.random.default_rng(3).standard_normal(count)
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / rate) + noise
    wave[: round(quiet * count)] *= 1e-5
    return wave if channels == 1 else np.stack([wave] * channels, axis=1)


def mp3(samples: Samples, *, rate: int = RATE, mode: str = "VARIABLE") -> bytes:
    """Return an MP3 whose first frame is a tag with its length."""
    out = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    options = {"format": "MP3", "bitrate_mode": mode, "compression_level": 0.1}
    with sf.SoundFile(out, "w", rate, channels, "MPEG_LAYER_III", **options) as file:
        file.write(samples)
    return out.getvalue()


def without_tag(content: bytes) -> bytes:
    """Return an MP3 without the frame that has its length."""
    frame = parse_frame(content[:4])
    assert frame is not None
    assert content[frame.tag_offset : frame.tag_offset + 4] in (b"Xing", b"Info")
    return content[frame.size :]


def ogg(samples: Samples, subtype: str, *, rate: int = RATE) -> bytes:
    """Return an Ogg file, written in blocks: libsndfile crashes on long ones."""
    out = io.BytesIO()
    with sf.SoundFile(out, "w", rate, 1, subtype, format="OGG") as file:
        for start in range(0, len(samples), rate):
            file.write(samples[start : start + rate])
    return out.getvalue()


def flac_of_silence(seconds: float, *, rate: int = RATE, length: bool = True) -> bytes:
    """Return a FLAC file of digital silence, small for any duration, maybe without a length."""
    out = io.BytesIO()
    with sf.SoundFile(out, "w", rate, 1, "PCM_16", format="FLAC") as file:
        left = round(seconds * rate)
        while left:
            left -= file.write(np.zeros(min(left, 1 << 22), np.int16)) or min(left, 1 << 22)
    content = bytearray(out.getvalue())
    if not length:
        content[21] &= 0xF0
        content[22:26] = bytes(4)
    return bytes(content)
