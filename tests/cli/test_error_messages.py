"""Errors of the disk in one line."""

import errno
import os

import pytest

from emotion.cli import error_messages
from emotion.cli.error_messages import explain_error


def test_a_disk_without_inodes_is_told_from_a_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/nowhere/x.wav")
    status = list(os.statvfs("/"))
    for inodes, advice in {0: "no free inodes (df -i)", 100: "Make room"}.items():
        status[5:8] = [1000, inodes, inodes]
        found = os.statvfs_result(status)
        monkeypatch.setattr(error_messages.os, "statvfs", lambda _, found=found: found)
        assert advice in explain_error(full, "train")
