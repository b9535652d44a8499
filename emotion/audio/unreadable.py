"""Why a file is no usable audio, in words that fit behind its name."""

import errno
import os
import stat
from pathlib import Path

import soundfile as sf

FOREIGN = {
    "MP4/M4A": (4, b"ftyp", "m4a"),
    "WebM/Matroska": (0, b"\x1aE\xdf\xa3", "webm"),
    "AMR": (0, b"#!AMR", "amr"),
    "WMA": (0, b"0&\xb2u", "wma"),
    "AAC": (0, b"\xff\xf1", "aac"),
}
"""What phones and browsers record and libsndfile does not read: where its mark lies in a file."""


def file_problem(path: Path) -> str:
    """Return what a path leads to where that is no file; nothing where it is one."""
    try:
        status = path.stat()
    except OSError as err:
        if err.errno == errno.ELOOP:
            return "is a link that leads in a circle"
        if err.errno == errno.ENOENT:
            return "is a broken link" if path.is_symlink() else "is not there"
        return _closed(err)
    if stat.S_ISREG(status.st_mode):
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return "is not a file, but a pipe, a socket or a device"
    if path.is_symlink():
        return "is a link to a folder, and such links are not followed"
    try:
        os.scandir(path).close()
    except OSError as err:
        return f"is a folder that {_closed(err)}"
    return "is a folder, not a file"


def decoding_problem(path: Path, error: Exception) -> str:
    """Return why a file could not be read, found by looking at it; `error` is what was raised."""
    try:
        with path.open("rb") as file:
            start = file.read(48)
    except OSError as err:
        return _closed(err)
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


def _closed(error: OSError) -> str:
    return f"cannot be opened ({error.strerror})"
