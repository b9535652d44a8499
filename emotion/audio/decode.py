"""Reads audio files: the only place that opens one. libsndfile decides by what a file holds."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from emotion.audio.unreadable import decoding_problem, file_problem
from emotion.errors import AudioError

Wave = npt.NDArray[np.float32]
"""Mono samples, shape (T,), full scale at 1."""

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"})
"""Names under which a folder is searched for audio; a file is read whatever its name."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_SECONDS = 4 * 3600
MAX_PEAK = 2.0**31
"""Floats up to here may have been integers once; the squares of greater ones overflow."""

BLOCK_SAMPLES = 1 << 22
"""Samples of all channels that are read at a time: what a header claims never becomes memory."""

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
    """Return a file's header without decoding it, but where it does not say how long the file is.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    with _opened(path) as file:
        header = _header(file)
        if _says_frames(file):
            return header
        return replace(header, frames=sum(map(len, _blocks(file, file.frames))))


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
        _skip(file, start)
        blocks = list(_blocks(file, stop - start))
        if not blocks:
            raise AudioError("holds no samples")
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks), rate


def read_blocks(path: Path, *, seconds: float = 30.0) -> Iterator[tuple[Wave, int]]:
    """Yield a file's samples block by block, as `decode` gives them, with their rate in Hz.

    Raises:
        AudioError: with the reason, in words that fit behind the file's name.
    """
    with _opened(path) as file:
        rate = file.samplerate
        for wave in _blocks(file, file.frames, size=max(1, round(seconds * rate))):
            yield wave, rate


class _Forward(sf.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning on.

    soundfile would ask for the place before each read, and go there after it: neither GSM nor
    FLAC of no known length can do that.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[_Forward]:
    """Give an open file whose header is sound; what goes wrong is told in words.

    Only a file is opened: a pipe may never come to an end, nor even to a beginning.
    """
    problem = file_problem(path)
    if problem:
        raise AudioError(problem)
    try:
        with _Forward(os.fsencode(path)) as file:
            _check(_header(file), says_frames=_says_frames(file))
            yield file
    except UNREADABLE as err:
        raise AudioError(decoding_problem(path, err)) from err
    except MemoryError as err:
        raise AudioError("is too long for the memory that is free") from err


def _header(file: _Forward) -> Header:
    return Header(file.samplerate, file.frames, file.channels, file.format)


def _says_frames(file: _Forward) -> bool:
    """Return whether a header says how long its file is; FLAC that was streamed does not."""
    return bool(file.frames < 2**62)


def _skip(file: _Forward, frames: int) -> None:
    """Go on to a frame: at once where that can be done, else by reading what lies before it."""
    if frames and sf.SoundFile.seekable(file) and _says_frames(file):
        file.seek(frames)
    else:
        for _ in _blocks(file, frames):
            pass


def _blocks(file: _Forward, frames: int, *, size: int | None = None) -> Iterator[Wave]:
    """Yield the next frames, averaged to mono, (T,) float32, some at a time."""
    size = size or max(1, BLOCK_SAMPLES // file.channels)
    longest = MAX_SECONDS * file.samplerate
    done = 0
    while done < frames:
        samples = file.read(min(size, frames - done), dtype="float32", always_2d=True)
        if not len(samples):
            return
        done += len(samples)
        if done > longest:
            raise AudioError(f"is longer than {MAX_SECONDS // 3600} hours")
        yield _to_mono(samples)


def _to_mono(samples: Wave) -> Wave:
    """Return the mean of all channels: (T, channels) -> (T,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # such numbers are refused below
        wave: Wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    low, high = float(wave.min()), float(wave.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AudioError("holds samples that are not finite numbers")
    if max(high, -low) > MAX_PEAK:
        raise AudioError(f"holds samples far beyond full scale ({max(high, -low):.1g})")
    return np.ascontiguousarray(wave)


def _check(header: Header, *, says_frames: bool) -> None:
    if not header.frames:
        raise AudioError("holds no samples")
    if not MIN_RATE <= header.sample_rate <= MAX_RATE:
        raise AudioError(f"has a sample rate of {header.sample_rate} Hz")
    if header.channels > MAX_CHANNELS:
        raise AudioError(f"has {header.channels} channels")
    if says_frames and header.frames > MAX_SECONDS * header.sample_rate:
        raise AudioError(f"says it is longer than {MAX_SECONDS // 3600} hours")
