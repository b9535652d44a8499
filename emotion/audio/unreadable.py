"""Reasons why a file is not usable audio, phrased to follow its name: `a.wav is empty`."""

import errno
import os
import stat
from pathlib import Path

import soundfile as sf

UNSUPPORTED_CONTAINERS = {
    "MP4/M4A": (4, b"ftyp", "m4a"),
    "WebM/Matroska": (0, b"\x1aE\xdf\xa3", "webm"),
    "AMR": (0, b"#!AMR", "amr"),
    "WMA": (0, b"0&\xb2u", "wma"),
    "AAC": (0, b"\xff\xf1", "aac"),
}
"""Common recordings that libsndfile cannot read: offset and bytes of their signature, suffix."""


def file_error(path: Path) -> str:
    """Return the reason why a path is not a regular file, or "" where it is one."""
    try:
        status = path.stat()
    except OSError as err:
        if err.errno == errno.ELOOP:
            return "is a link that leads in a circle"
        if err.errno == errno.ENOENT:
            return "is a broken link" if path.is_symlink() else "is not there"
        return _cannot_open(err)
    if stat.S_ISREG(status.st_mode):
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return "is not a file, but a pipe, a socket or a device"
    if path.is_symlink():
        return "is a link to a folder, and such links are not followed"
    try:
        os.scandir(path).close()
    except OSError as err:
        return f"is a folder that {_cannot_open(err)}"
    return "is a folder, not a file"


def decode_error(path: Path, error: Exception) -> str:
    """Return the reason why decoding a file failed with `error`, from its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(48)
    except OSError as err:
        return _cannot_open(err)
    if not start:
        return "is empty"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not audio (fetch it with 'git lfs pull')"
    for container, (offset, signature, suffix) in UNSUPPORTED_CONTAINERS.items():
        if start[offset:].startswith(signature):
            command = f"ffmpeg -i in.{suffix} out.wav"
            return f"is {container}, which libsndfile cannot read (convert it: {command})"
    if isinstance(error, sf.LibsndfileError):
        return f"is not readable audio ({error.error_string.rstrip('.')})"
    return f"is not readable audio ({error})"


def _cannot_open(error: OSError) -> str:
    return f"cannot be opened ({error.strerror})"
