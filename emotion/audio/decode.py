"""Reads audio files: the only place that opens one. libsndfile decides by what a file holds."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from emotion.errors import AudioError

Wave = npt.NDArray[np.float32]
"""Mono samples, shape (T,), full scale at 1."""

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"})
"""Names under which a folder is searched for audio; a file is read whatever its name."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_SECONDS = 4 * 3600

UNREADABLE = (sf.LibsndfileError, OSError, ValueError, TypeError)
"""What soundfile raises of a file; TypeError where the suffix says raw samples, no header."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself: rate in Hz, frames (samples a channel), channels."""

    sample_rate: int
    frames: int
    channels: int
    container: str


FOREIGN = {
    "MP4/M4A": (4, b"ftyp", "m4a"),
    "WebM/Matroska": (0, b"\x1aE\xdf\xa3", "webm"),
    "AMR": (0, b"#!AMR", "amr"),
    "WMA": (0, b"0&\xb2u", "wma"),
    "AAC": (0, b"\xff\xf1", "aac"),
}
"""What phones and browsers record and libsndfile does not read: where its mark lies in a file."""


def read_header(path: Path) -> Header:
    """Return a file's header without decoding it.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    with _opened(path) as file:
        return _header(file)


def header_rows(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return what each header says, by field, with the reason where one cannot be used."""
    rows = []
    for path in paths:
        try:
            rows.append(vars(read_header(path)) | {"error": ""})
        except AudioError as err:
            rows.append(vars(Header(0, 0, 0, "")) | {"error": str(err)})
    return rows


def decode(path: Path, *, start_s: float = 0.0, stop_s: float = math.inf) -> tuple[Wave, int]:
    """Return a file's samples, averaged to mono, (T,) float32, and their rate in Hz.

    Args:
        path: of the file.
        start_s: what lies before this second is not read.
        stop_s: nor what lies behind this one.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    with _opened(path) as file:
        rate = file.samplerate
        start = round(start_s * rate)
        stop = file.frames if stop_s == math.inf else min(file.frames, round(stop_s * rate))
        if start and start >= file.frames:
            raise AudioError(f"ends at {file.frames / rate:.2f} s, before {start_s:.2f} s")
        if start:
            file.seek(start)
        wave = _to_mono(file.read(stop - start, dtype="float32", always_2d=True))
    if not len(wave):
        raise AudioError("holds no samples")
    return wave, rate


def read_blocks(path: Path, *, seconds: float = 30.0) -> Iterator[tuple[Wave, int]]:
    """Yield a file's samples block by block, as `decode` gives them, with their rate in Hz.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    with _opened(path) as file:
        rate = file.samplerate
        size = max(1, round(seconds * rate))
        for samples in file.blocks(size, dtype="float32", always_2d=True):
            yield _to_mono(samples), rate


@contextmanager
def _opened(path: Path) -> Iterator[sf.SoundFile]:
    """Give an open file whose header is sound; what goes wrong is told in words."""
    try:
        with sf.SoundFile(os.fsencode(path)) as file:
            _check(_header(file))
            yield file
    except UNREADABLE as err:
        raise AudioError(_reason(path, err)) from err


def _header(file: sf.SoundFile) -> Header:
    return Header(file.samplerate, file.frames, file.channels, file.format)


def _to_mono(samples: Wave) -> Wave:
    """Return the mean of all channels: (T, channels) -> (T,)."""
    wave: Wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(wave).all():
        raise AudioError("holds samples that are not finite numbers")
    return np.ascontiguousarray(wave)


def _check(header: Header) -> None:
    if not header.frames:
        raise AudioError("holds no samples")
    if not MIN_RATE <= header.sample_rate <= MAX_RATE:
        raise AudioError(f"has a sample rate of {header.sample_rate} Hz")
    if header.channels > MAX_CHANNELS:
        raise AudioError(f"has {header.channels} channels")
    if header.frames > MAX_SECONDS * header.sample_rate:
        raise AudioError(f"says it is longer than {MAX_SECONDS // 3600} hours")


def _reason(path: Path, error: Exception) -> str:
    """Return why a file could not be read, found by looking at it."""
    if not path.exists():
        return "is a broken link" if path.is_symlink() else "is not there"
    if not path.is_file():
        return "is not a file"
    try:
        with path.open("rb") as file:
            start = file.read(48)
    except OSError as err:
        return f"cannot be opened ({err.strerror})"
    if not start:
        return "is empty"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not audio (fetch it with 'git lfs pull')"
    for container, (place, mark, suffix) in FOREIGN.items():
        if start[place:].startswith(mark):
            how = f"ffmpeg -i in.{suffix} out.wav"
            return f"is {container}, which libsndfile cannot read (convert it: {how})"
    if isinstance(error, sf.LibsndfileError):
        return f"is not readable audio ({error.error_string.rstrip('.')})"
    return f"is not readable audio ({error})"
