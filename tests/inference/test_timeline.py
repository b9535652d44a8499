"""Timelines: one table of windows, one plot per recording."""

import csv
from pathlib import Path

import pytest
import soundfile as sf

from emotion.errors import ConfigError
from emotion.inference.inputs import InputFile
from emotion.inference.timeline import check_timeline_output, predict_windows, write_timelines
from emotion.runtime.predictor import Predictor
from tests.support.fake_model import FakeModel, noise

RATE = 8000


def write_input(folder: Path, name: str, seconds: float) -> InputFile:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    sf.write(path, noise(seconds), RATE)
    return InputFile(name, path)


def test_windows_cover_the_recording_and_the_last_ends_with_it(tmp_path: Path) -> None:
    source = write_input(tmp_path, "a.wav", 2.7)
    windows = predict_windows(source.path, Predictor(FakeModel()), hop_s=1.0)
    assert [(window.start_s, window.end_s) for window in windows] == [(0, 1), (1, 2), (1.7, 2.7)]


def test_table_has_all_readable_recordings_and_plots_have_different_names(tmp_path: Path) -> None:
    sources = [write_input(tmp_path, f"{folder}/same.wav", 1.5) for folder in ("one", "two")]
    broken = InputFile("broken.wav", tmp_path / "broken.wav")
    broken.path.write_text("no audio")
    output = tmp_path / "out.csv"
    assert write_timelines([*sources, broken], Predictor(FakeModel()), output) == 1
    with (tmp_path / "out.timeline.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == ["one/same.wav"] * 2 + ["two/same.wav"] * 2
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "out.same.timeline.png",
        "out.same.2.timeline.png",
    }


def test_timeline_needs_an_output_file() -> None:
    assert check_timeline_output(Path("o.csv")) == Path("o.csv")
    with pytest.raises(ConfigError, match=r"Set output=FILE\.csv"):
        check_timeline_output(None)
