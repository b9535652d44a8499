"""Uploads that hold no recording, each broken in its own way, as requests to the JSON service."""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import soundfile

RATE = 16_000
FORM = "multipart/form-data; boundary=xyz"


@dataclass(frozen=True)
class Upload:
    """A request: what is wrong with it, its body, and what else it says."""

    wrong: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


def broken_uploads(*, max_bytes: int, max_seconds: float) -> list[Upload]:
    """Return fifty uploads; two of them are merely beyond these limits."""
    return [
        *_foreign(),
        *_damaged(),
        *_absurd(),
        *_beyond(max_bytes, max_seconds),
        *_malformed(),
    ]


def sound(
    seconds: float = 0.5,
    *,
    rate: int = RATE,
    channels: int = 1,
    kind: tuple[str, str] = ("WAV", "PCM_16"),
    fill: float | None = None,
) -> bytes:
    """Return a file of noise, or of one value."""
    shape = (round(seconds * rate), channels)
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, shape)
    if fill is not None:
        samples[:] = fill
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind[0], subtype=kind[1])
    return file.getvalue()


def _foreign() -> Iterator[Upload]:
    """What is no audio, or audio of a kind that is not read."""
    starts = {
        "text": b"this is not audio, whatever its name says\n" * 50,
        "one byte": b"R",
        "zeros": bytes(4096),
        "noise": np.random.default_rng(1).bytes(4096),
        "an HTML page": b"<!doctype html><html><body>404</body></html>",
        "XML": b'<?xml version="1.0"?><recording/>',
        "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(64),
        "a PDF": b"%PDF-1.7\n" + bytes(64),
        "a ZIP": b"PK\x03\x04" + bytes(64),
        "a gzip": b"\x1f\x8b\x08" + bytes(64),
        "an ELF program": b"\x7fELF\x02\x01\x01" + bytes(64),
        "M4A": b"\x00\x00\x00\x20ftypM4A " + bytes(64),
        "WebM": b"\x1aE\xdf\xa3" + bytes(64),
        "AMR": b"#!AMR\n" + bytes(64),
        "WMA": b"0&\xb2u\x8ef\xcf\x11" + bytes(64),
        "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
        "a null character in UTF-16": "zoo".encode("utf-16"),
    }
    for wrong, body in starts.items():
        yield Upload(wrong, body)


def _damaged() -> Iterator[Upload]:
    """Recordings that were cut off before their first sample, or written over."""
    wav = sound()
    for size in (4, 12, 20, 36):
        yield Upload(f"a WAV cut off after {size} bytes", wav[:size])
    for size in (4, 30):
        yield Upload(f"a FLAC cut off after {size} bytes", sound(kind=("FLAC", "PCM_16"))[:size])
    yield Upload("an Ogg cut off after 30 bytes", sound(kind=("OGG", "VORBIS"))[:30])
    yield Upload("a WAV without its first bytes", wav[7:])
    yield Upload("a WAV backwards", wav[::-1])
    yield Upload("a WAV in hexadecimal", wav.hex().encode())
    yield Upload("a RIFF that is no WAVE", wav[:8] + b"AVI " + wav[12:])
    yield Upload("a WAV of an unknown codec", wav[:20] + struct.pack("<H", 0x7777) + wav[22:])


def _absurd() -> Iterator[Upload]:
    """Recordings that are whole and impossible."""
    wav = sound()
    yield Upload("a WAV without samples", sound(0))
    yield Upload("a WAV of 0 Hz", wav[:24] + struct.pack("<I", 0) + wav[28:])
    yield Upload("a WAV of 1 Hz", wav[:24] + struct.pack("<I", 1) + wav[28:])
    yield Upload("a WAV of 2 GHz", wav[:24] + struct.pack("<I", 2_000_000_000) + wav[28:])
    yield Upload("a WAV of no channel", wav[:22] + struct.pack("<H", 0) + wav[24:])
    yield Upload("65 channels", sound(0.1, channels=65))
    yield Upload("samples that are no numbers", sound(fill=np.nan, kind=("WAV", "FLOAT")))
    yield Upload("infinite samples", sound(fill=np.inf, kind=("WAV", "DOUBLE")))


def _beyond(max_bytes: int, max_seconds: float) -> Iterator[Upload]:
    """Recordings that are whole and too much."""
    yield Upload("a second too long", sound(max_seconds + 1, rate=1000))
    yield Upload("a byte too large", bytes(max_bytes + 1))


def _malformed() -> Iterator[Upload]:
    """Requests that do not say what they hold."""
    wav = sound()
    part = b'--xyz\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    file = part % (b"file", b'; filename="a.wav"', wav)
    form = {"Content-Type": FORM}
    yield Upload("nothing", b"")
    yield Upload("a form without a file", part % (b"word", b"", b"x") + b"--xyz--\r\n", form)
    yield Upload(
        "a file in another field",
        part % (b"sound", b'; filename="a.wav"', wav) + b"--xyz--\r\n",
        form,
    )
    yield Upload("two files", file + file + b"--xyz--\r\n", form)
    yield Upload("a form without a boundary", file, {"Content-Type": "multipart/form-data"})
    yield Upload("another boundary than it says", file.replace(b"xyz", b"abc"), form)
    yield Upload(
        "an empty file", part % (b"file", b'; filename="a.wav"', b"") + b"--xyz--\r\n", form
    )
    yield Upload("a model that is not here", wav, query="?model=nobody")
    yield Upload("a timeline that is neither true nor false", wav, query="?timeline=perhaps")
    yield Upload("a form that ends in its header", b"--xyz\r\nContent-Dispo", form)
