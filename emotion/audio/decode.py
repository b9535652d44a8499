"""Reads audio files: the only place that opens one. libsndfile decides by what a file holds."""

import os
from collections.abc import Sequence
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


def read_header(path: Path) -> Header:
    """Return a file's header without decoding it.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    try:
        with sf.SoundFile(os.fsencode(path)) as file:
            return _check(Header(file.samplerate, file.frames, file.channels, file.format))
    except UNREADABLE as err:
        raise AudioError(_reason(path, err)) from err


def header_rows(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return what each header says, by field, with the reason where one cannot be used."""
    rows = []
    for path in paths:
        try:
            rows.append(vars(read_header(path)) | {"error": ""})
        except AudioError as err:
            rows.append(vars(Header(0, 0, 0, "")) | {"error": str(err)})
    return rows


def decode(path: Path) -> tuple[Wave, int]:
    """Return a file's samples, averaged to mono, (T,) float32, and their rate in Hz.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    try:
        with sf.SoundFile(os.fsencode(path)) as file:
            rate = file.samplerate
            _check(Header(rate, file.frames, file.channels, file.format))
            samples = file.read(dtype="float32", always_2d=True)  # (T, channels)
    except UNREADABLE as err:
        raise AudioError(_reason(path, err)) from err
    wave: Wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not len(wave):
        raise AudioError("holds no samples")
    if not np.isfinite(wave).all():
        raise AudioError("holds samples that are not finite numbers")
    return np.ascontiguousarray(wave), rate


def _check(header: Header) -> Header:
    if not header.frames:
        raise AudioError("holds no samples")
    if not MIN_RATE <= header.sample_rate <= MAX_RATE:
        raise AudioError(f"has a sample rate of {header.sample_rate} Hz")
    if header.channels > MAX_CHANNELS:
        raise AudioError(f"has {header.channels} channels")
    if header.frames > MAX_SECONDS * header.sample_rate:
        raise AudioError(f"says it is longer than {MAX_SECONDS // 3600} hours")
    return header


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
    if start[4:8] == b"ftyp":
        return "is MP4/M4A, which libsndfile cannot read (convert it: ffmpeg -i in.m4a out.wav)"
    if isinstance(error, sf.LibsndfileError):
        return f"is not readable audio ({error.error_string.rstrip('.')})"
    return f"is not readable audio ({error})"
