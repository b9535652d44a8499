"""Worker of the waveform cache: changed and unreadable files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.audio.clip_statistics import measure_clip
from emotion.audio.decode import Wave, decode
from emotion.data import waveform_cache_worker as worker
from emotion.data.waveform_cache_worker import COLUMNS, CachePart, build_part
from emotion.errors import CacheError
from tests.support.cached_clips import FIXED, open_of, table_of, write_clips

LENGTH = 1_600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_clips(tmp_path)


def on_decode(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[Path], object]) -> None:
    """Call a function on a file after it is decoded."""

    def acting(path: Path, **settings: Any) -> tuple[Wave, int]:
        try:
            return decode(path, **settings)
        finally:
            if path.name == name:
                act(path)

    monkeypatch.setattr(worker, "decode", acting)


@pytest.mark.parametrize("act", [lambda path: os.truncate(path, 20), Path.touch, Path.unlink])
@pytest.mark.parametrize("readable", [True, False])
def test_a_file_that_changes_while_it_is_read_stops_the_build(
    root: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object], readable: bool
) -> None:
    if not readable:
        (root / "03.wav").write_text("no audio")
    on_decode(monkeypatch, "03.wav", act)
    with pytest.raises(CacheError, match=r"03\.wav changed while it was read\. Run again"):
        open_of(root)
    monkeypatch.undo()
    assert "04.wav" in set(open_of(root).index["path"]), "the next call continues"


def test_a_part_has_one_row_per_clip_and_its_samples_at_the_given_offset(root: Path) -> None:
    (root / "01.wav").write_text("no audio")
    clips = list(table_of(root)[["path", "size", "mtime_ns"]][:3].itertuples(index=False))
    samples = root / "samples.bin"
    samples.touch()
    part = CachePart(clips, root / "part.csv", samples, offset=5)  # type: ignore[arg-type]
    first, unreadable, third = build_part(part, FIXED, root)
    assert set(first) == set(COLUMNS)
    assert first["audio_hash"] == measure_clip(*decode(root / "00.wav")).audio_hash
    assert set(unreadable) == {"path", "error"}
    assert (first["offset"], third["offset"]) == (5, 5 + LENGTH)
    stored = np.fromfile(samples, dtype="int16")
    assert len(stored) == 5 + 2 * LENGTH
    expected = FIXED(*decode(root / "02.wav"))
    np.testing.assert_allclose(
        stored[third["offset"] :] * third["scale"], expected, atol=float(third["scale"])
    )
