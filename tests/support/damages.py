"""Damages to a file, as full disks and bad cables cause them."""

import os
from pathlib import Path


def truncate(path: Path) -> None:
    """Cut a file to half of its size."""
    os.truncate(path, path.stat().st_size // 2)


def flip_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    """Remove all bytes of a file."""
    path.write_bytes(b"")


DAMAGES = [truncate, flip_bit, empty]
