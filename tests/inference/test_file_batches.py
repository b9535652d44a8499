"""Batches of decoded files: order, unreadable files, long files."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emotion.audio.decode import Wave
from emotion.errors import ConfigError
from emotion.inference.file_batches import AudioPart, FileBatches
from emotion.inference.inputs import InputFile
from emotion.inference.segments import Segment
from emotion.runtime import clips

RATE = 8000


def write_part(
    folder: Path, name: str, seconds: float, segment: Segment | None = None
) -> AudioPart:
    path = folder / name
    sf.write(path, np.zeros(round(seconds * RATE)), RATE)
    return AudioPart(InputFile(name, path), segment)


def batches(parts: list[AudioPart], *, batch_size: int = 2) -> FileBatches[float]:
    def duration(wave: Wave, rate: int) -> float:
        return len(wave) / rate

    return FileBatches(parts, duration, batch_size=batch_size, window_s=1.0)


def test_batches_keep_the_order_and_leave_out_unreadable_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [write_part(tmp_path, f"{number}.wav", number / 10) for number in range(1, 6)]
    parts[1].source.path.write_text("no audio")
    reader = batches(parts)
    read = [
        [(part.source.name, duration) for part, duration in batch] for batch in reader.batches()
    ]
    assert read == [[("1.wav", 0.1)], [("3.wav", 0.3), ("4.wav", 0.4)], [("5.wav", 0.5)]]
    assert reader.unreadable == 1
    assert "2.wav is not readable audio" in caplog.text
    assert "1 of 5 inputs could not be read" in caplog.text


def test_no_readable_input_is_an_error(tmp_path: Path) -> None:
    part = AudioPart(InputFile("none.wav", tmp_path / "none.wav"))
    with pytest.raises(ConfigError, match="none of the 1 inputs could be read"):
        list(batches([part]).batches())


def test_batch_size_is_at_least_one() -> None:
    with pytest.raises(ConfigError, match="batch_size=0 must be at least 1"):
        batches([], batch_size=0)


def test_segment_is_cut_and_named_by_its_times(tmp_path: Path) -> None:
    part = write_part(tmp_path, "a.wav", 3.0, Segment("a", 0.5, 1.25, "anna"))
    (((_, duration),),) = batches([part]).batches()
    assert duration == 0.75
    assert part.columns == {"path": "a.wav", "start_s": 0.5, "end_s": 1.25, "speaker": "anna"}


def test_warning_if_most_of_a_file_is_outside_the_window(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_DECODED_S", 3.0)
    parts = [write_part(tmp_path, "short.wav", 1.9), write_part(tmp_path, "long.wav", 4.0)]
    with caplog.at_level(logging.WARNING):
        ((_, (_, decoded_s)),) = batches(parts).batches()
    assert decoded_s == 3.0
    assert "long.wav: only the first 1.0 of 3.0 s are classified" in caplog.text
    assert "short.wav" not in caplog.text
