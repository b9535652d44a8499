"""A trained model in Python: `emotion.load`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import emotion
from emotion.cli.main import run as command
from emotion.errors import ConfigError, RunError
from emotion.runs.run import Run
from emotion.utils.tables import read_table
from tests.support.archive import voice

RATE = 22_050


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two voices and a silent file."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name, wave in (
        ("a.wav", voice(0.8, RATE, seed=1)),
        ("b.wav", voice(1.4, RATE, seed=2)),
        ("silent.wav", np.zeros(RATE, dtype=np.float32)),
    ):
        sf.write(folder / name, wave, RATE, subtype="FLOAT")
    return folder


@pytest.fixture(params=["run", "export"])
def opened(request: pytest.FixtureRequest, run: Run) -> Path:
    """The folder of a run, and its export folder."""
    return run.folder if request.param == "run" else run.folder / "export"


def test_a_folder_gives_the_rows_of_the_command(
    opened: Path, recordings: Path, tmp_path: Path
) -> None:
    model = emotion.load(opened)
    words = [f"run={opened}", f"inputs={recordings}", f"output={tmp_path}/o.csv"]
    assert command(["predict", *words]) == 0
    columns = [f"p_{label}" for label in model.labels]
    expected = read_table(tmp_path / "o.csv", dict.fromkeys(columns, "float64"))
    rows = pd.DataFrame(model.predict(recordings))
    assert list(rows.columns) == list(expected.columns)
    assert list(rows["note"])[-1] == "no speech"
    for name in ("path", "predicted", "note"):
        assert list(rows[name].fillna("")) == list(expected[name].fillna(""))
    assert np.allclose(rows[columns].astype(float), expected[columns], atol=1e-6)
    files = [str(path) for path in sorted(recordings.iterdir())]
    listed = pd.DataFrame(model.predict(files))
    assert np.allclose(listed[columns].astype(float), expected[columns], atol=1e-6)


def test_samples_give_the_row_of_their_file(opened: Path, recordings: Path) -> None:
    model = emotion.load(opened)
    wave, rate = sf.read(recordings / "b.wav", dtype="float32")
    (expected,) = model.predict(recordings / "b.wav")
    pcm = np.round(wave * 2.0**31).astype(np.int32)
    stereo = np.stack([wave, wave], axis=1)
    for samples in (wave, stereo, stereo.T, wave[None], wave.tolist(), pcm, wave.astype(float)):
        (row,) = model.predict(samples, sample_rate=rate)
        assert row["path"] == ""
        assert row["predicted"] == expected["predicted"]
        assert row["note"] == expected["note"]
        for label in model.labels:
            name = f"p_{label}"
            assert float(row[name]) == pytest.approx(float(expected[name]), abs=1e-6)


def test_samples_that_cannot_be_used_are_refused(run: Run) -> None:
    model = emotion.load(run.folder / "export")
    with pytest.raises(ConfigError, match=r"predict\(samples, sample_rate=16000\)"):
        model.predict(np.zeros(100))
    bad = (np.zeros(0), np.zeros((2, 2, 2)), np.full(100, np.nan), np.zeros(100, np.int64))
    for samples in bad:
        with pytest.raises(ConfigError, match="cannot be used"):
            model.predict(samples, sample_rate=16_000)
    with pytest.raises(ConfigError, match="sample_rate=0 cannot be used"):
        model.predict(np.zeros(100), sample_rate=0)
    with pytest.raises(ConfigError, match="Call predict once for each clip"):
        model.predict([np.zeros(100), np.zeros(100)], sample_rate=16_000)
    with pytest.raises(ConfigError, match="a file has its own"):
        model.predict("a.wav", sample_rate=16_000)


def test_a_folder_that_is_neither_a_run_nor_an_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        emotion.load(tmp_path)
