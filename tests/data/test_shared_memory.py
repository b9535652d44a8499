"""Shared memory for the batches of loader processes."""

import shutil

import pytest

from emotion.data import shared_memory
from emotion.data.shared_memory import check_shared_memory
from emotion.errors import ConfigError


def test_too_little_shared_memory_is_an_error_before_the_first_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil._ntuple_diskusage(64_000_000, 4_000_000, 60_000_000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda _: usage)
    check_shared_memory(15_000_000, workers=2)
    check_shared_memory(15_000_001, workers=0)
    with pytest.raises(ConfigError, match=r"num_workers=2 needs 60\.0 MB .* has 60\.0 MB free"):
        check_shared_memory(15_000_001, workers=2)
