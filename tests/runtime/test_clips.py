"""Clips decoded for a prediction."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.runtime import clips
from emotion.runtime.clips import decode_clip

RATE = 8_000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of 4 s, of which 3 s are decoded."""
    monkeypatch.setattr(clips, "MAX_DECODED_S", 3.0)
    sf.write(tmp_path / "a.wav", np.full(4 * RATE, 0.5), RATE)
    return tmp_path / "a.wav"


def test_the_rest_of_a_long_recording_is_reported_unless_the_model_ignores_it(path: Path) -> None:
    for window_s, expected in (
        (math.inf, ["is long: only its first 3 s are classified"]),
        (1.0, []),
    ):
        warnings: list[str] = []
        wave, rate = decode_clip(path, window_s=window_s, warn=warnings.append)
        assert len(wave) / rate == 3.0
        assert warnings == expected


def test_a_short_segment_is_not_reported(path: Path) -> None:
    warnings: list[str] = []
    times = {"start_s": 0.5, "end_s": 3.5}
    wave, _ = decode_clip(path, window_s=math.inf, warn=warnings.append, **times)
    assert len(wave) == 3 * RATE
    assert not warnings


def test_samples_beyond_the_limit_are_left_out_with_a_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_DECODED_SAMPLES", 2 * RATE)
    warnings: list[str] = []
    wave, _ = decode_clip(path, window_s=1.0, warn=warnings.append)
    assert len(wave) == 2 * RATE
    assert warnings == ["is long: only its first 2 s are read"]
