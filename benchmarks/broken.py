"""Invalid uploads as requests to the JSON service, each invalid in its own way."""

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
    """A request: its fault, its body, and further headers or query."""

    wrong: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


def broken_uploads(*, max_bytes: int, max_seconds: float) -> list[Upload]:
    """Return fifty uploads; two of them are valid recordings beyond these limits."""
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
    """Return an audio file of noise, or of a constant value."""
    shape = (round(seconds * rate), channels)
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, shape)
    if fill is not None:
        samples[:] = fill
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind[0], subtype=kind[1])
    return file.getvalue()


def _foreign() -> Iterator[Upload]:
    """Files that are not audio, or audio in a format that is not supported."""
    starts = {
        "text": b"this is not audio, despite its name\n" * 50,
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
    """Recordings that were truncated before their first sample, or overwritten in part."""
    wav = sound()
    for size in (4, 12, 20, 36):
        yield Upload(f"a WAV truncated after {size} bytes", wav[:size])
    for size in (4, 30):
        yield Upload(f"a FLAC truncated after {size} bytes", sound(kind=("FLAC", "PCM_16"))[:size])
    yield Upload("an Ogg truncated after 30 bytes", sound(kind=("OGG", "VORBIS"))[:30])
    yield Upload("a WAV without its first seven bytes", wav[7:])
    yield Upload("a WAV in reverse byte order", wav[::-1])
    yield Upload("a WAV in hexadecimal", wav.hex().encode())
    yield Upload("a RIFF file of another type than WAVE", wav[:8] + b"AVI " + wav[12:])
    yield Upload("a WAV with an unknown codec", wav[:20] + struct.pack("<H", 0x7777) + wav[22:])


def _absurd() -> Iterator[Upload]:
    """Complete files with impossible properties."""
    wav = sound()
    yield Upload("a WAV without samples", sound(0))
    yield Upload("a WAV of 0 Hz", wav[:24] + struct.pack("<I", 0) + wav[28:])
    yield Upload("a WAV of 1 Hz", wav[:24] + struct.pack("<I", 1) + wav[28:])
    yield Upload("a WAV of 2 GHz", wav[:24] + struct.pack("<I", 2_000_000_000) + wav[28:])
    yield Upload("a WAV with zero channels", wav[:22] + struct.pack("<H", 0) + wav[24:])
    yield Upload("a WAV with 65 channels", sound(0.1, channels=65))
    yield Upload("samples that are NaN", sound(fill=np.nan, kind=("WAV", "FLOAT")))
    yield Upload("infinite samples", sound(fill=np.inf, kind=("WAV", "DOUBLE")))


def _beyond(max_bytes: int, max_seconds: float) -> Iterator[Upload]:
    """Valid recordings beyond the limits of the service."""
    yield Upload("a second too long", sound(max_seconds + 1, rate=1000))
    yield Upload("a byte too large", bytes(max_bytes + 1))


def _malformed() -> Iterator[Upload]:
    """Requests whose form or query is invalid."""
    wav = sound()
    part = b'--xyz\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    file = part % (b"file", b'; filename="a.wav"', wav)
    form = {"Content-Type": FORM}
    yield Upload("an empty body", b"")
    yield Upload("a form without a file", part % (b"word", b"", b"x") + b"--xyz--\r\n", form)
    yield Upload(
        "a file in another field",
        part % (b"sound", b'; filename="a.wav"', wav) + b"--xyz--\r\n",
        form,
    )
    yield Upload("two files", file + file + b"--xyz--\r\n", form)
    yield Upload("a form without a boundary", file, {"Content-Type": "multipart/form-data"})
    yield Upload("a boundary that differs from the header", file.replace(b"xyz", b"abc"), form)
    yield Upload(
        "an empty file", part % (b"file", b'; filename="a.wav"', b"") + b"--xyz--\r\n", form
    )
    yield Upload("an unknown model", wav, query="?model=unknown")
    yield Upload("a timeline that is not true or false", wav, query="?timeline=maybe")
    yield Upload("a form that ends in its header", b"--xyz\r\nContent-Dispo", form)
