"""Small file systems in memory, for tests of full and read-only disks."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted file system in memory."""

    folder: Path

    def remount(self, options: str) -> None:
        """Change its options, such as size=50m or ro."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)

    @property
    def files(self) -> dict[str, int]:
        """Sizes of its files, by relative path."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in paths}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """Mount a disk of a size, such as 20m; skip the test where mounting is impossible."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("the mount command is not installed")
    if done.returncode:
        pytest.skip(f"mounting a file system failed: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
