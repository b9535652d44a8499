"""Reading of audio files with libsndfile, which goes by a file's content and not by its name."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from emotion.audio.byte_range import ByteRange, RangeReader
from emotion.audio.mono import OPPOSITE_PHASE, mix_down
from emotion.audio.mpeg import find_mpeg_recordings
from emotion.audio.ogg import find_ogg_recordings
from emotion.audio.unreadable import decode_error, file_error
from emotion.errors import AudioError, TooLongError

Wave = npt.NDArray[np.float32]  # mono samples, (T,), full scale at 1

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"})
"""Suffixes that are searched for in folders; a file given by name may have any suffix."""

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_SAMPLES = 1 << 27
"""Limit of decoded samples of all channels in one clip: 46 minutes at 48 kHz, 0.5 GB."""

MAX_FILE_SAMPLES = 1 << 31  # of a file that is read block by block: 6 hours at 48 kHz, stereo
END_TOLERANCE_S = 0.01  # the end of a segment may lie this much after that of its file
BLOCK_SAMPLES = 1 << 22  # of all channels, read at a time: a header alone allocates no memory

OGG_END_S = 60  # read without seeking: libsndfile's seeks to the last page of Vorbis are inexact
UNKNOWN_FRAMES = 1 << 62  # libsndfile gives at least these where a header has no length

READ_ERRORS = (sf.LibsndfileError, OSError, ValueError, TypeError)
"""Errors of soundfile for a bad file; TypeError where the suffix means raw samples (.raw)."""


@dataclass(frozen=True)
class Header:
    """Header of an audio file: rate in Hz, frames (samples per channel), channels, container."""

    sample_rate: int
    frames: int
    channels: int
    container: str


def read_header(path: Path, *, max_samples: int = MAX_SAMPLES) -> Header:
    """Return a file's header; only a file whose header has no length is decoded, to count.

    Of a file that consists of several recordings, it is that of all of them.

    Raises:
        TooLongError: a file without a length has more than `max_samples` samples of all channels.
        AudioError: with the reason, phrased to follow the file's name.
    """
    frames, channels = 0, 1
    with _audio_errors(path):
        for stream in _open_streams(path):
            rate, container = stream.file.samplerate, stream.file.format
            channels = max(channels, stream.file.channels)
            if stream.estimate is None:
                frames += _count(stream, math.inf, max_samples=max_samples)
            else:
                frames += stream.estimate
        _check_samples(frames * channels, MAX_FILE_SAMPLES)
        if not frames:
            raise AudioError("holds no samples")
        return Header(rate, frames, channels, container)


def header_rows(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return the fields of each file's header, with the reason in `error` where it is unusable."""
    rows = []
    for path in paths:
        try:
            rows.append(vars(read_header(path)) | {"error": ""})
        except AudioError as err:
            rows.append(vars(Header(0, 0, 0, "")) | {"error": str(err)})
    return rows


def decode(
    path: Path,
    *,
    start_s: float = 0.0,
    stop_s: float = math.inf,
    max_samples: int = MAX_SAMPLES,
    truncate: bool = False,
    warn: Callable[[str], object] | None = None,
) -> tuple[Wave, int]:
    """Return a file's samples, mixed down to mono, (T,) float32, and their rate in Hz.

    Args:
        path: the file.
        start_s: of the part that is returned, in seconds.
        stop_s: end of that part; infinite for the file's end.
        max_samples: limit of samples of all channels in that part.
        truncate: leave out samples beyond the limit; else they are an error.
        warn: called with sentences that follow the file's name: where samples are left out, or
            channels cannot be averaged.

    Raises:
        TooLongError: the part has more than `max_samples` samples.
        AudioError: with the reason, phrased to follow the file's name.
    """
    with _audio_errors(path):
        blocks: list[Wave] = []
        for block in _read(
            path,
            start_s=start_s,
            stop_s=stop_s,
            max_samples=max_samples,
            truncate=truncate,
            warn=warn,
        ):
            wave, rate = block
            blocks.append(wave)
        del block, wave
        return _concatenate(blocks), rate


def decode_segment(
    path: Path, start_s: float, end_s: float, *, warn: Callable[[str], object] | None = None
) -> tuple[Wave, int]:
    """Return the samples of a segment as `decode`; AudioError where the file ends before it.

    An end up to `END_TOLERANCE_S` after that of the file is a rounded one.
    """
    wave, rate = decode(path, start_s=start_s, stop_s=end_s, warn=warn)
    missing = end_s - start_s - len(wave) / rate
    if END_TOLERANCE_S < missing < math.inf:
        end = start_s + len(wave) / rate
        raise AudioError(f"ends at {end:.2f} s, before the end of its segment, {end_s:g} s")
    return wave, rate


def frame_at(seconds: float, sample_rate: int) -> int:
    """Return the frame at a time: the first of a segment, or the one after its last."""
    return round(seconds * sample_rate)


def read_blocks(
    path: Path, *, seconds: float = 30.0, warn: Callable[[str], object] | None = None
) -> Iterator[tuple[Wave, int]]:
    """Yield a file's samples in blocks of `seconds`, mono (T,) float32, with their rate in Hz.

    Raises:
        AudioError: with the reason, phrased to follow the file's name.
    """
    with _audio_errors(path):
        yield from _read(path, block_s=seconds, max_samples=MAX_FILE_SAMPLES, warn=warn)


class _SequentialFile(sf.SoundFile):  # type: ignore[misc]
    """An audio file that is read from its beginning without seeking.

    soundfile seeks before and after each read where a file is seekable; that fails for GSM and
    for FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True)
class _Stream:
    """One recording of a file, opened.

    `frames` is its length by its header, None where that is missing (as in streamed FLAC) or an
    estimate; `estimate` is the length by header or by counting, None where only decoding tells.
    """

    file: _SequentialFile
    frames: int | None
    estimate: int | None


@contextmanager
def _audio_errors(path: Path) -> Iterator[None]:
    """Convert the errors of reading a file to AudioError."""
    try:
        yield
    except READ_ERRORS as err:
        raise AudioError(decode_error(path, err)) from err
    except MemoryError as err:
        raise AudioError("is too long for the memory that is free") from err


def _open_streams(path: Path) -> Iterator[_Stream]:
    """Open each recording of a file in turn, with a valid header.

    Only regular files are opened: a pipe might block for ever.
    """
    reason = file_error(path)
    if reason:
        raise AudioError(reason)
    spans = _find_recordings(path)
    if not spans:
        with _SequentialFile(os.fsencode(path)) as file:
            _check(file)
            frames = file.frames if file.frames < UNKNOWN_FRAMES else None
            yield _Stream(file, frames, frames)
        return
    rate = 0
    with path.open("rb") as content:
        for span in spans:
            reader = RangeReader(content, span)
            with _SequentialFile(reader) as file:
                _check(file)
                rate = rate or file.samplerate
                if file.samplerate != rate:
                    raise AudioError(f"joins recordings of {rate} and of {file.samplerate} Hz")
                frames = file.frames if span.frames is None else None
                yield _Stream(file, frames, file.frames if span.frames is None else span.frames)
            if reader.error is not None:
                raise reader.error


def _find_recordings(path: Path) -> list[ByteRange]:
    """Return the recordings of a file that libsndfile cannot read as a whole, else []."""
    with path.open("rb") as file:
        start = file.read(4)
        size = os.fstat(file.fileno()).st_size
        if start == b"OggS":
            return find_ogg_recordings(file, size)
        if start[:3] == b"ID3" or start[:1] == b"\xff":
            return find_mpeg_recordings(file, size)
    return []


def _read(
    path: Path,
    *,
    start_s: float = 0.0,
    stop_s: float = math.inf,
    block_s: float = math.inf,
    max_samples: int,
    truncate: bool = False,
    warn: Callable[[str], object] | None,
) -> Iterator[tuple[Wave, int]]:
    """Yield the samples between two times in mono blocks, (T,) float32, with their rate in Hz.

    The arguments are those of `decode`; a block has at most `block_s` seconds.
    """
    position = done = rate = 0  # frames before the stream; samples read, of all channels
    phase_warned = False
    for stream in _open_streams(path):
        rate, channels = stream.file.samplerate, stream.file.channels
        start = frame_at(start_s, rate) - position
        wanted = (math.inf if stop_s == math.inf else frame_at(stop_s, rate)) - position
        skipped = _skip(stream, start)
        position += skipped
        if skipped < start:
            continue
        wanted -= skipped
        if stream.estimate is not None and not truncate:
            total = done + min(wanted, stream.estimate - skipped) * channels
            _check_samples(total, max_samples)
        size = BLOCK_SAMPLES // channels
        size = size if block_s == math.inf else min(size, round(block_s * rate))
        for samples in _blocks(stream.file, wanted, size=max(1, size)):
            position += len(samples)
            done += samples.size
            if not truncate:
                _check_samples(done, max_samples)
            surplus = max(0, math.ceil((done - max_samples) / channels))
            if surplus < len(samples):
                wave, opposite = mix_down(samples[: len(samples) - surplus])
                if opposite and not phase_warned and warn is not None:
                    warn(OPPOSITE_PHASE)
                phase_warned = phase_warned or opposite
                yield wave, rate
            if surplus:
                if warn is not None:
                    warn(f"is long: only its first {max_samples / channels / rate:.4g} s are read")
                return
    if not done and position and wanted > 0 and frame_at(start_s, rate) >= position:
        raise AudioError(f"ends at {position / rate:.2f} s, before {start_s:.2f} s")
    if not done:
        raise AudioError("holds no samples")


def _blocks(file: _SequentialFile, frames: float, *, size: int) -> Iterator[Wave]:
    """Yield the next frames in blocks of at most `size`, (T, channels)."""
    done = 0
    while done < frames:
        samples = file.read(int(min(size, frames - done)), dtype="float32", always_2d=True)
        if not len(samples):
            return
        done += len(samples)
        yield samples


def _count(stream: _Stream, frames: float, *, max_samples: int) -> int:
    """Read frames and return their number, which may be smaller."""
    channels = stream.file.channels
    done = 0
    for samples in _blocks(stream.file, frames, size=max(1, BLOCK_SAMPLES // channels)):
        done += len(samples)
        _check_samples(done * channels, max_samples)
    return done


def _skip(stream: _Stream, frames: int) -> int:
    """Skip frames, by seeking where that is exact; return their number, maybe smaller."""
    if frames <= 0:
        return 0
    exact = sf.SoundFile.seekable(stream.file) and "MPEG" not in stream.file.subtype
    if stream.frames is None or not exact:
        return _count(stream, frames, max_samples=MAX_FILE_SAMPLES)
    frames = min(frames, stream.frames)
    position = frames
    if stream.file.format == "OGG":
        position = max(0, min(frames, stream.frames - OGG_END_S * stream.file.samplerate))
    stream.file.seek(position)
    return position + _count(stream, frames - position, max_samples=MAX_FILE_SAMPLES)


def _concatenate(blocks: list[Wave]) -> Wave:
    """Return blocks as one wave; each is removed once copied, which halves the memory."""
    if len(blocks) == 1:
        return blocks[0]
    wave: Wave = np.empty(sum(map(len, blocks)), dtype=np.float32)
    end = len(wave)
    while blocks:
        block = blocks.pop()
        wave[end - len(block) : end] = block
        end -= len(block)
    return wave


def _check(file: _SequentialFile) -> None:
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        raise AudioError(
            f"has a sample rate of {file.samplerate} Hz (allowed: {MIN_RATE} to {MAX_RATE} Hz)"
        )
    if file.channels > MAX_CHANNELS:
        raise AudioError(f"has {file.channels} channels (allowed: up to {MAX_CHANNELS})")


def _check_samples(samples: float, limit: int) -> None:
    if samples > limit:
        raise TooLongError(f"is too long: more than {limit:,} samples (cut it into parts)")
