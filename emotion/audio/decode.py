"""Reading of audio files with libsndfile, which goes by a file's content and not by its name."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from emotion.audio.unreadable import decode_error, file_error
from emotion.errors import AudioError

Wave = npt.NDArray[np.float32]  # mono samples, (T,), full scale at 1

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"})
"""Suffixes that are searched for in folders; a file given by name may have any suffix."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_SECONDS = 4 * 3600
MAX_PEAK = 2.0**31  # of samples, which may be 32-bit integers; squares of greater ones overflow
BLOCK_SAMPLES = 1 << 22  # of all channels, read at a time: a header alone allocates no memory

READ_ERRORS = (sf.LibsndfileError, OSError, ValueError, TypeError)
"""Errors of soundfile for a bad file; TypeError where the suffix means raw samples (.raw)."""


@dataclass(frozen=True)
class Header:
    """Header of an audio file: rate in Hz, frames (samples per channel), channels, container."""

    sample_rate: int
    frames: int
    channels: int
    container: str


def read_header(path: Path) -> Header:
    """Return a file's header; the file is decoded only where its header has no length.

    Raises:
        AudioError: with the reason, phrased to follow the file's name.
    """
    with _open_audio(path) as file:
        header = _header(file)
        if _has_length(file):
            return header
        return replace(header, frames=sum(map(len, _blocks(file, file.frames))))


def header_rows(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return the fields of each file's header, with the reason in `error` where it is unusable."""
    rows = []
    for path in paths:
        try:
            rows.append(vars(read_header(path)) | {"error": ""})
        except AudioError as err:
            rows.append(vars(Header(0, 0, 0, "")) | {"error": str(err)})
    return rows


def decode(path: Path, *, start_s: float = 0.0, stop_s: float = math.inf) -> tuple[Wave, int]:
    """Return a file's samples, averaged to mono, (T,) float32, and their rate in Hz.

    Only the samples between the seconds `start_s` and `stop_s` are returned.

    Raises:
        AudioError: with the reason, phrased to follow the file's name.
    """
    with _open_audio(path) as file:
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
    """Yield a file's samples in blocks of `seconds`, mono (T,) float32, with their rate in Hz.

    Raises:
        AudioError: with the reason, phrased to follow the file's name.
    """
    with _open_audio(path) as file:
        rate = file.samplerate
        for wave in _blocks(file, file.frames, size=max(1, round(seconds * rate))):
            yield wave, rate


class _SequentialFile(sf.SoundFile):  # type: ignore[misc]
    """An audio file that is read from its beginning without seeking.

    soundfile seeks before and after each read where a file is seekable; that fails for GSM and
    for FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _open_audio(path: Path) -> Iterator[_SequentialFile]:
    """Open a file with a valid header; errors of reading it become AudioError.

    Only regular files are opened: a pipe might block for ever.
    """
    reason = file_error(path)
    if reason:
        raise AudioError(reason)
    try:
        with _SequentialFile(os.fsencode(path)) as file:
            _check(_header(file), has_length=_has_length(file))
            yield file
    except READ_ERRORS as err:
        raise AudioError(decode_error(path, err)) from err
    except MemoryError as err:
        raise AudioError("is too long for the memory that is free") from err


def _header(file: _SequentialFile) -> Header:
    return Header(file.samplerate, file.frames, file.channels, file.format)


def _has_length(file: _SequentialFile) -> bool:
    """Return whether the header contains the length; that of streamed FLAC does not."""
    return bool(file.frames < 2**62)


def _skip(file: _SequentialFile, frames: int) -> None:
    """Skip frames: by seeking where the file allows it, else by reading them."""
    if frames and sf.SoundFile.seekable(file) and _has_length(file):
        file.seek(frames)
    else:
        for _ in _blocks(file, frames):
            pass


def _blocks(file: _SequentialFile, frames: int, *, size: int | None = None) -> Iterator[Wave]:
    """Yield the next frames in blocks of at most `size`, averaged to mono, (T,) float32."""
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
    with np.errstate(over="ignore", invalid="ignore"):  # rejected below
        wave: Wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    low, high = float(wave.min()), float(wave.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AudioError("holds samples that are not finite numbers")
    if max(high, -low) > MAX_PEAK:
        raise AudioError(f"holds samples far beyond full scale ({max(high, -low):.1g})")
    return np.ascontiguousarray(wave)


def _check(header: Header, *, has_length: bool) -> None:
    if not header.frames:
        raise AudioError("holds no samples")
    if not MIN_RATE <= header.sample_rate <= MAX_RATE:
        raise AudioError(
            f"has a sample rate of {header.sample_rate} Hz (allowed: {MIN_RATE} to {MAX_RATE} Hz)"
        )
    if header.channels > MAX_CHANNELS:
        raise AudioError(f"has {header.channels} channels (allowed: up to {MAX_CHANNELS})")
    if has_length and header.frames > MAX_SECONDS * header.sample_rate:
        raise AudioError(f"is longer than {MAX_SECONDS // 3600} hours by its header")
