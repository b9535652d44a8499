"""A run on segments of recordings, and the commands that use it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import soundfile as sf

from emotion.audio.decode import decode, frame_at
from emotion.cli.main import run
from emotion.data.segments import clip_names
from emotion.export.check_clips import select_check_clips
from emotion.runs.run import Run
from emotion.utils.tables import read_table
from tests.support.archive import write_clip

KEY = ["path", "start", "end"]
SEGMENTS = [  # of each file; some overlap
    ("0", "1.21", "sad"),
    ("1", "2.4", "angry"),
    ("2.3333", "3", "sad"),
    ("3", "4", "angry"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of eight segments of two files, and the same segments in files of their own."""
    folder = tmp_path_factory.mktemp("talks")
    write_clip(folder / "a.wav", 4.0, seed=1)
    write_clip(folder / "b.flac", 4.0, seed=2, rate=22_050, container="FLAC")
    rows, cuts = [], []
    for name in ("a.wav", "b.flac"):
        wave, rate = decode(folder / name)
        for start, end, emotion in SEGMENTS:
            cut = f"cut_{name[0]}_{start}.wav"
            samples = wave[frame_at(float(start), rate) : frame_at(float(end), rate)]
            sf.write(folder / cut, samples, rate, subtype="FLOAT")
            rows.append((name, start, end, emotion, name[0]))
            cuts.append((cut, emotion, name[0]))
    table = pd.DataFrame(rows, columns=[*KEY, "emotion", "speaker"])
    table.to_csv(folder / "segments.csv", index=False)
    pd.DataFrame(cuts, columns=["path", "emotion", "speaker"]).to_csv(folder / "cuts.csv")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def trained(folder: Path, root: Path) -> Run:
    """A run on the segments; one file is the test."""
    words = ["dataset=csv", f"dataset.path={folder}/segments.csv", f"output_root={root}"]
    assert run(["train", *words, "trainer.max_epochs=1", f"hydra.run.dir={root}/it"]) == 0
    return Run(root / "it")


def probabilities(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    return table[["p_sad", "p_angry"]].to_numpy(dtype=np.float64)


def evaluated(run_: Run, table: Path, root: Path) -> pd.DataFrame:
    """Return the predictions of a run for all clips of a table."""
    words = [f"run={run_.folder}", "dataset=csv", f"dataset.path={table}", f"output_root={root}"]
    assert run(["evaluate", *words]) == 0
    return read_table(run_.folder / "evaluate" / "csv" / "predictions.csv")


def test_a_run_keeps_start_and_end_behind_path(trained: Run) -> None:
    split, predictions = trained.split, trained.predictions
    assert list(split) == [*KEY, "corpus", "speaker", "emotion", "subset"]
    assert list(predictions)[:6] == [*KEY, "corpus", "speaker", "target"]
    expected = [[float(start), float(end)] for start, end, _ in SEGMENTS]
    assert split[["start", "end"]].to_numpy().tolist() == expected * 2
    assert len(split) == 8
    assert len(predictions) == 4
    assert predictions["path"].nunique() == 1
    test = split["subset"] == "test"
    assert not set(split["path"][test]) & set(split["path"][~test])
    assert not trained.leaks
    notes = trained.environment["notes"]
    assert any(note.endswith("are in train and in val") for note in notes)


def test_evaluate_repeats_the_test_of_segments(trained: Run, root: Path) -> None:
    assert run(["evaluate", f"run={trained.folder}", f"output_root={root}"]) == 0
    again = trained.folder / "evaluate" / "test" / "predictions.csv"
    assert again.read_bytes() == (trained.folder / "predictions.csv").read_bytes()


def test_a_segment_is_predicted_as_a_file_of_its_own(
    trained: Run, folder: Path, root: Path
) -> None:
    segments = evaluated(trained, folder / "segments.csv", root)
    cuts = evaluated(trained, folder / "cuts.csv", root)
    assert list(segments)[:3] == KEY
    assert "start" not in cuts
    assert len(segments) == len(cuts) == 8
    np.testing.assert_array_equal(probabilities(segments), probabilities(cuts))


def test_predict_on_the_table_gives_the_predictions_of_the_run(
    trained: Run, folder: Path, root: Path, tmp_path: Path
) -> None:
    files = [f"inputs=[{folder}/a.wav,{folder}/b.flac]", f"segments={folder}/segments.csv"]
    words = [f"run={trained.folder}", f"output={tmp_path}/o.csv", f"output_root={root}"]
    assert run(["predict", *files, *words]) == 0
    table = read_table(tmp_path / "o.csv")
    tested = table["path"].str.endswith(trained.predictions["path"][0])
    np.testing.assert_allclose(
        probabilities(table[tested]), probabilities(trained.predictions), atol=1e-5
    )


def test_predictions_of_another_tool_are_matched_by_segment(
    trained: Run, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs = trained.predictions.rename(columns={"start": "start_s", "end": "end_s"})
    theirs["start_s"] = theirs["start_s"].map("{:.6f}".format)
    theirs[::-1].to_csv(tmp_path / "theirs.csv", index=False)
    words = [f"split.path={trained.folder}/split.csv", f"output_root={root}"]
    assert run(["evaluate", f"predictions={tmp_path}/theirs.csv", *words]) == 0
    judged = Run(root / "evaluate" / "theirs")
    assert judged.metrics["test"]["uar"] == trained.metrics["test"]["uar"]
    assert "test set used by 2 runs" in capfd.readouterr().out
    assert run(["evaluate", f"run=[{trained.folder},{judged.folder}]", words[1]]) == 0
    assert "4 clips" in capfd.readouterr().out
    theirs.drop(columns="start_s").to_csv(tmp_path / "bad.csv", index=False)
    assert run(["evaluate", f"predictions={tmp_path}/bad.csv", *words]) == 1
    assert "needs one start, and one end or duration" in capfd.readouterr().err


def test_perturbation_report_and_export_use_the_segments(trained: Run, root: Path) -> None:
    words = ["perturb=gain", f"output_root={root}"]
    assert run(["evaluate", f"run={trained.folder}", *words]) == 0
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    wrong = trained.predictions[trained.predictions["target"] != trained.predictions["predicted"]]
    for name in clip_names(wrong):
        assert name in page
    clips = select_check_clips(trained, cache_dir=root / "cache", limit=None)
    assert clips.source == "test clips"
    assert len(clips.waves) == 4


def test_a_file_on_both_sides_of_a_split_is_a_leak(
    trained: Run, folder: Path, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split = trained.split.assign(subset=["train", "test", "val", "train"] * 2, speaker="")
    split.to_csv(tmp_path / "split.csv", index=False)
    words = ["dataset=csv", f"dataset.path={folder}/segments.csv", f"output_root={root}"]
    words += ["split=file", f"split.path={tmp_path}/split.csv", f"hydra.run.dir={tmp_path}/it"]
    assert run(["train", *words]) == 1
    assert "files a.wav, b.flac in test and in train" in capfd.readouterr().err
