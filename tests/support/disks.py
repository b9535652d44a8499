"""Small disks that fill up, or that can only be read."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A file system in memory."""

    folder: Path

    def remount(self, options: str) -> None:
        """Change it, such as size=50m or ro."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)

    @property
    def files(self) -> dict[str, int]:
        """Its files, with their sizes."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in found}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """Give a disk of a size, such as 20m; where none can be mounted, the test is skipped."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
