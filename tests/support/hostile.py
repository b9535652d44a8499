"""Hostile audio files: damaged, unusual and strangely named, with the expected reason."""

import io
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.support.archive import LFS_POINTER, voice, write_clip

RATE = 16_000
PCM = np.round(voice(0.25, RATE, seed=7, level=0.3) * 32767).astype("<i2").tobytes()
FIELDS = (0, 4, 8, 12, 16, 20, 22, 24, 28, 32, 34, 36, 40, 44)
"""Offsets of the fields of a plain WAV header."""

SILENT = "is silent"
NO_AUDIO = "is not readable audio"
NO_SAMPLES = "holds no samples"
HIDDEN = "is a hidden file"


@dataclass(frozen=True)
class Kind:
    """One hostile file: the function that writes it and, for an unusable file, the reason.

    Silent files are not used for training, but have a prediction; and `emotion predict` reads the
    beginning of a file that is too long for a dataset: `predict_reason` is its own reason.
    """

    write: Callable[[Path], object]
    reason: str = ""
    name: str = ""
    predict_reason: str | None = None

    @property
    def good(self) -> bool:
        """Whether the file has a usable clip."""
        return not self.reason

    @property
    def predicted(self) -> bool:
        """Whether `emotion predict` has a row for it."""
        return self.for_predict.reason in ("", SILENT, HIDDEN)

    @property
    def for_predict(self) -> "Kind":
        """The kind with the reason of `emotion predict`."""
        return self if self.predict_reason is None else replace(self, reason=self.predict_reason)


CLIP = Kind(write_clip)


def chunk(name: bytes, body: bytes, *, size: int | None = None, order: str = "<") -> bytes:
    """Return a RIFF chunk, padded to even length, with its size or the given one."""
    size = len(body) if size is None else size
    return name + struct.pack(f"{order}I", size) + body + bytes(len(body) % 2)


def fmt(
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    align: int | None = None,
    size: int | None = None,
    order: str = "<",
    more: bytes = b"",
) -> bytes:
    """Return the format chunk of a WAV file."""
    align = channels * bits // 8 % 65_536 if align is None else align
    each = (tag, channels, rate, rate * align % 2**32, align, bits)
    return chunk(b"fmt ", struct.pack(f"{order}HHIIHH", *each) + more, size=size, order=order)


def wav(*chunks: bytes, magic: bytes = b"RIFF", size: int | None = None, order: str = "<") -> bytes:
    """Return a WAV file of the chunks; without chunks, a plain clip."""
    return chunk(
        magic, b"WAVE" + b"".join(chunks or (fmt(), chunk(b"data", PCM))), size=size, order=order
    )


def encoded(
    container: str,
    subtype: str | None = None,
    *,
    rate: int = RATE,
    channels: int = 1,
    seconds: float = 0.5,
) -> bytes:
    """Return a valid clip, written by libsndfile."""
    wave = voice(seconds, rate, seed=11, level=0.3)
    samples = np.stack([wave] * channels, axis=1)
    file = io.BytesIO()
    sf.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def floats(value: float, subtype: str = "FLOAT") -> bytes:
    """Return a WAV of floats, one of which is `value`."""
    wave = voice(0.25, RATE, seed=9, level=0.3).astype("float64")
    wave[1_000] = value
    file = io.BytesIO()
    sf.write(file, wave, RATE, format="WAV", subtype=subtype)
    return file.getvalue()


def denormals() -> bytes:
    """Return a WAV of denormal floats."""
    samples = np.random.default_rng(5).normal(0, 1e-41, 4_000).astype("<f4")
    return wav(fmt(tag=3, bits=32), chunk(b"data", samples.tobytes()))


def flac_that_claims(samples: int, *, rate: int = RATE, channels: int = 1) -> bytes:
    """Return a FLAC file whose header has the given length, rate and number of channels."""
    content = bytearray(encoded("FLAC"))
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | samples
    content[18:26] = packed.to_bytes(8, "big")
    return bytes(content)


def cut(content: bytes, fraction: float) -> bytes:
    """Return the beginning of a file."""
    return content[: int(len(content) * fraction)]


def flipped(content: bytes) -> bytes:
    """Return a file with its middle third replaced by noise."""
    third = len(content) // 3
    noise = np.random.default_rng(1).bytes(third)
    return content[:third] + noise + content[2 * third :]


def silence(path: Path) -> None:
    """Write an hour of silence, 60 kB."""
    with sf.SoundFile(path, "w", RATE, 1, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(60 * RATE, np.int16))


def write(content: bytes) -> Callable[[Path], object]:
    """Return a function that writes these bytes."""
    return lambda path: path.write_bytes(content)


def locked(path: Path) -> None:
    """Write a clip that only root may read."""
    write_clip(path)
    path.chmod(0)


def bind_socket(path: Path) -> None:
    """Create a socket, bound in its folder, since paths of sockets must be short."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def circle(path: Path) -> None:
    """Create two links to each other; the second has no audio suffix."""
    other = path.with_suffix(".link")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def folder_of_clips(path: Path) -> None:
    """Create a folder with the name of a clip, with a clip in it."""
    write_clip(path / "inside.wav", seed=21)


ID3 = b"ID3\x03\0\0\0\0\x07\x76" + b"TIT2" + (1_004).to_bytes(4, "big") + b"\0\0" + b"\0" * 1_004
"""A tag of 1,014 bytes after its header of ten."""

CUTS = {
    f"cut at byte {stop}": Kind(
        write(wav()[:stop]), "is empty" if not stop else NO_SAMPLES if stop == 44 else NO_AUDIO
    )
    for stop in FIELDS
}
CUTS |= {
    f"cut inside bytes {start}-{stop}": Kind(write(wav()[: (start + stop) // 2]), NO_AUDIO)
    for start, stop in pairwise(FIELDS[:13])
}

SIZES = {
    "RIFF size 0": Kind(write(wav(size=0))),
    "RIFF size 0xFFFFFFFF": Kind(write(wav(size=0xFFFFFFFF))),
    "data size 0xFFFFFFFF": Kind(write(wav(fmt(), chunk(b"data", PCM, size=0xFFFFFFFF)))),
    "data size 0": Kind(write(wav(fmt(), chunk(b"data", PCM, size=0))), NO_SAMPLES),
    "data size too great": Kind(write(wav(fmt(), chunk(b"data", PCM, size=len(PCM) + 999)))),
    "data size odd": Kind(write(wav(fmt(), chunk(b"data", PCM, size=len(PCM) - 1)))),
    "fmt size 0": Kind(write(wav(fmt(size=0), chunk(b"data", PCM))), NO_AUDIO),
    "fmt size 14": Kind(write(wav(fmt(size=14), chunk(b"data", PCM))), NO_AUDIO),
    "fmt size 0xFFFFFFFF": Kind(write(wav(fmt(size=0xFFFFFFFF), chunk(b"data", PCM))), NO_AUDIO),
    "junk size 0xFFFFFFF0": Kind(
        write(wav(fmt(), chunk(b"JUNK", b"", size=0xFFFFFFF0), chunk(b"data", PCM))), NO_AUDIO
    ),
}

FIELD_VALUES = {
    "0 channels": Kind(write(wav(fmt(channels=0), chunk(b"data", PCM))), NO_AUDIO),
    "65,535 channels": Kind(write(wav(fmt(channels=65_535), chunk(b"data", PCM))), NO_AUDIO),
    "rate 0": Kind(write(wav(fmt(rate=0), chunk(b"data", PCM))), NO_AUDIO),
    "rate 1 Hz": Kind(write(wav(fmt(rate=1), chunk(b"data", PCM))), "sample rate of 1 Hz"),
    "rate 0xFFFFFFFF": Kind(write(wav(fmt(rate=2**32 - 1), chunk(b"data", PCM))), NO_AUDIO),
    "0 bits": Kind(write(wav(fmt(bits=0, align=0), chunk(b"data", PCM))), NO_AUDIO),
    "12 bits": Kind(write(wav(fmt(bits=12, align=2), chunk(b"data", PCM)))),
    "64 bits of integers": Kind(write(wav(fmt(bits=64, align=8), chunk(b"data", PCM))), NO_AUDIO),
    "block align 0": Kind(write(wav(fmt(align=0), chunk(b"data", PCM)))),
    "unknown coding": Kind(write(wav(fmt(tag=0x9999), chunk(b"data", PCM))), NO_AUDIO),
    "no fmt chunk": Kind(write(wav(chunk(b"data", PCM))), NO_AUDIO),
    "no data chunk": Kind(write(wav(fmt())), NO_AUDIO),
    "two fmt chunks": Kind(write(wav(fmt(), fmt(), chunk(b"data", PCM))), NO_AUDIO),
    "two data chunks": Kind(write(wav(fmt(), chunk(b"data", PCM), chunk(b"data", PCM))), NO_AUDIO),
}

LAYOUTS = {
    "LIST before fmt": Kind(
        write(wav(chunk(b"LIST", b"INFOIART" + bytes(8)), fmt(), chunk(b"data", PCM)))
    ),
    "junk of odd length": Kind(
        write(wav(chunk(b"JUNK", b"odd"), fmt(), chunk(b"PAD ", bytes(999)), chunk(b"data", PCM)))
    ),
    "notes behind the samples": Kind(
        write(wav(fmt(), chunk(b"data", PCM), chunk(b"LIST", b"INFO" + b"note" * 9_000)))
    ),
    "garbage behind the samples": Kind(write(wav() + b"\xff" * 5_000)),
    "RIFX": Kind(
        write(
            wav(
                fmt(order=">"),
                chunk(b"data", np.frombuffer(PCM, "<i2").astype(">i2").tobytes(), order=">"),
                magic=b"RIFX",
                order=">",
            )
        )
    ),
    "extensible": Kind(write(encoded("WAVEX", "PCM_16"))),
    "extensible, unknown coding": Kind(
        write(
            wav(
                fmt(tag=0xFFFE, more=struct.pack("<HHI", 22, 16, 4) + b"\x99" * 16),
                chunk(b"data", PCM),
            )
        ),
        NO_AUDIO,
    ),
    "RF64": Kind(write(encoded("RF64", "PCM_16"))),
    "W64": Kind(write(encoded("W64", "PCM_16"))),
    "CAF": Kind(write(encoded("CAF", "PCM_16"))),
    "CAF with ALAC": Kind(write(encoded("CAF", "ALAC_16"))),
}

CODINGS = {
    f"WAV {subtype}": Kind(write(encoded("WAV", subtype)))
    for subtype in (
        "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM",
        "GSM610",
    )
}  # fmt: skip
CODINGS |= {
    "768 kHz": Kind(write(encoded("WAV", "PCM_16", rate=768_000))),
    "1 kHz": Kind(write(encoded("WAV", "PCM_16", rate=1_000))),
    "999 Hz": Kind(write(encoded("WAV", "PCM_16", rate=999)), "sample rate of 999 Hz"),
    "64 channels": Kind(write(encoded("WAV", "PCM_16", channels=64))),
    "65 channels": Kind(write(encoded("WAV", "PCM_16", channels=65)), "has 65 channels"),
    "one frame": Kind(write(wav(fmt(), chunk(b"data", b"\x00\x40"))), SILENT),
    "two frames": Kind(write(wav(fmt(), chunk(b"data", b"\x00\x40\x00\xc0")))),
    "half a frame": Kind(write(wav(fmt(), chunk(b"data", b"\x40"))), NO_SAMPLES),
    "an hour of silence": Kind(silence, SILENT),
    "full scale": Kind(write(wav(fmt(), chunk(b"data", b"\xff\x7f\x00\x80" * 2_000)))),
    "offset only": Kind(write(wav(fmt(), chunk(b"data", b"\x00\x40" * 4_000))), SILENT),
    "NaN": Kind(write(floats(np.nan)), "not finite"),
    "infinity": Kind(write(floats(np.inf)), "not finite"),
    "a double that no float holds": Kind(write(floats(1e300, "DOUBLE")), "not finite"),
    "a float of 1e38": Kind(write(floats(1e38)), "far beyond full scale"),
    "floats in the range of integers": Kind(write(floats(32_767.0))),
    "a denormal": Kind(write(floats(1e-42))),
    "denormals only": Kind(write(denormals()), SILENT),
}

FORMATS = {
    f"{name}, named .wav": Kind(write(encoded(*how)))
    for name, how in {
        "AIFF": ("AIFF", "PCM_16"),
        "AU": ("AU", "PCM_16"),
        "FLAC": ("FLAC", "PCM_16"),
        "OGG Vorbis": ("OGG", "VORBIS"),
        "MP3": ("MP3", None),
    }.items()
}
FORMATS |= {
    "OGG Opus, named .wav": Kind(write(encoded("OGG", "OPUS", rate=48_000))),
    "MP3 behind an ID3 tag": Kind(write(ID3 + encoded("MP3"))),
    "an ID3 tag alone": Kind(write(ID3), NO_AUDIO),
    "MP3 cut": Kind(write(cut(encoded("MP3"), 0.6))),
    "MP3 with noise in it": Kind(write(flipped(encoded("MP3")))),
    "OGG cut": Kind(write(cut(encoded("OGG", seconds=5), 0.6))),
    "OGG, first page alone": Kind(write(encoded("OGG")[:58]), NO_AUDIO),
    "FLAC cut": Kind(write(cut(encoded("FLAC"), 0.6)), NO_AUDIO),
    "FLAC header alone": Kind(write(encoded("FLAC")[:86]), NO_SAMPLES),
    "FLAC with noise in it": Kind(write(flipped(encoded("FLAC"))), NO_AUDIO),
    "FLAC of no known length": Kind(write(flac_that_claims(0))),
    "FLAC that claims 2^36 samples": Kind(
        write(flac_that_claims(2**36 - 1)), "too long", predict_reason=""
    ),
    "FLAC that claims 4 hours of 8 channels": Kind(
        write(flac_that_claims(4 * 3600 * 655_350, rate=655_350, channels=8)),
        "too long",
        predict_reason=NO_AUDIO,
    ),
    "AIFF cut": Kind(write(cut(encoded("AIFF"), 0.6))),
    "M4A, named .wav": Kind(write(b"\0\0\0\x20ftypM4A \0\0\2\0isomiso2" + bytes(512)), "ffmpeg"),
    "WebM, named .wav": Kind(
        write(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + bytes(512)), "is WebM/Matroska"
    ),
    "a PNG image": Kind(write(b"\x89PNG\r\n\x1a\n" + bytes(512)), NO_AUDIO),
    "a ZIP file": Kind(write(b"PK\x03\x04" + bytes(512)), NO_AUDIO),
    "a pickle": Kind(write(b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x02os\x94."), NO_AUDIO),
    "zeros": Kind(write(bytes(4_096)), NO_AUDIO),
    "noise": Kind(write(np.random.default_rng(3).bytes(4_096)), NO_AUDIO),
    "text": Kind(write(b"hello, I am a clip\n" * 20), NO_AUDIO),
    "a page of HTML": Kind(write(b"<!doctype html><title>404</title>" * 9), NO_AUDIO),
    "an LFS pointer": Kind(write(LFS_POINTER.encode()), "git lfs pull"),
}

PLACES = {
    "a folder, named .wav": Kind(Path.mkdir, "is a folder"),
    "a folder of clips, named .wav": Kind(folder_of_clips, "is a folder"),
    "a link to a clip": Kind(
        lambda path: path.symlink_to(write_clip(path.with_suffix(".target"), seed=22).name)
    ),
    "a link to nowhere": Kind(lambda path: path.symlink_to("nowhere.wav"), "is a broken link"),
    "a link to itself": Kind(lambda path: path.symlink_to(path.name), "leads in a circle"),
    "links in a circle": Kind(circle, "leads in a circle"),
    "a link to its own folder": Kind(lambda path: path.symlink_to("."), "is a link to a folder"),
    "a link to a device": Kind(lambda path: path.symlink_to("/dev/zero"), "is not a file"),
    "a FIFO": Kind(os.mkfifo, "is not a file"),
    "a socket": Kind(bind_socket, "is not a file"),
    "no right to read": Kind(locked, "" if os.geteuid() == 0 else "cannot be opened"),
    "a hidden file": Kind(write_clip, HIDDEN, ".hidden.wav"),
}

NAMES = {
    description: Kind(write(wav()), name=name)
    for description, name in {
        "a newline in the name": "new\nline.wav",
        "a carriage return in the name": "carriage\rreturn.wav",
        "a tab in the name": "tab\t.wav",
        "an escape sequence in the name": "red\x1b[31m\x07.wav",
        "emoji in the name": "😀🎉.wav",
        "right to left in the name": "\u202egpj.wav",
        "250 characters": "n" * 246 + ".wav",
        "bytes that are no UTF-8": os.fsdecode(b"caf\xe9.wav"),
        "a dash first": "-rf.wav",
        "spaces at both ends": " spaces .wav",
        "quotes and commas": "a,\"b'c`;.wav",
        "markup of a terminal": "[bold]x[:smile:].wav",
        "an interpolation": "${oc.env:HOME}.wav",
        "a percent format": "%s%n.wav",
        "a sum": "seed=3.wav",
        "brackets and stars": "a[1]*?.wav",
        "a backslash": "a\\b.wav",
        "an upper-case suffix": "LOUD.WAV",
        "a composed accent": "\u00fc.wav",
        "a decomposed accent": "e\u0301.wav",
        "a name that tables read as missing": "NA.wav",
    }.items()
}

KINDS: dict[str, Kind] = {
    **CUTS, **SIZES, **FIELD_VALUES, **LAYOUTS, **CODINGS, **FORMATS, **PLACES, **NAMES
}  # fmt: skip
"""All kinds by description."""


def write_hostile(folder: Path) -> dict[str, Kind]:
    """Write one file per kind; return the kinds by path, without those that this disk rejects."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, (description, kind) in enumerate(KINDS.items()):
        name = kind.name or f"{number:03} {description.replace('/', ' ')}.wav"
        try:
            kind.write(folder / name)
        except OSError as err:
            if not kind.name:
                raise
            print(f"{description}: this file system rejects it ({err.strerror})")
            continue
        written[name] = kind
        written |= {f"{name}/{inside.name}": CLIP for inside in clips_in(folder / name)}
    return written


def clips_in(folder: Path) -> list[Path]:
    """Return the clips in a folder with the name of a clip."""
    return [] if folder.is_symlink() or not folder.is_dir() else list(folder.iterdir())
