"""A trained run in the commands that use it: evaluate, predict, sweeps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from emotion.audio.decode import decode
from emotion.cli.main import run
from emotion.config.composition import compose
from emotion.inference.load_models import open_predictor
from emotion.runs.run import Run
from emotion.runtime.stream import Stream
from emotion.utils.tables import read_table
from tests.support.archive import write_clip
from tests.support.trained import Train


def columns_of(run: Run) -> list[str]:
    return [f"p_{label}" for label in run.labels]


def read_predictions(path: Path, run: Run) -> pd.DataFrame:
    return read_table(path, dict.fromkeys(columns_of(run), "float64"))


def test_evaluate_repeats_the_test_exactly(finished: Run, base: list[str]) -> None:
    assert run(["evaluate", base[0], f"run={finished.folder}"]) == 0
    again = finished.folder / "evaluate" / "test"
    assert json.loads((again / "metrics.json").read_text())["test"] == finished.metrics["test"]
    assert (again / "predictions.csv").read_bytes() == (
        finished.folder / "predictions.csv"
    ).read_bytes()


def test_evaluate_takes_another_dataset(finished: Run, base: list[str]) -> None:
    other = ["dataset=synthetic", "dataset.generate.seed=5", "dataset.generate.speakers=2"]
    words = [*base[:1], *other, "dataset.generate.sentences=2"]
    assert run(["evaluate", *words, f"run={finished.folder}"]) == 0
    metrics = json.loads((finished.folder / "evaluate" / "synthetic" / "metrics.json").read_text())
    assert metrics["test"]["n"] == 24


def test_predict_gives_the_probabilities_of_the_test(
    finished: Run, base: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "new" / "out.csv"
    root = finished.settings.dataset["root"]
    words = [f"run={finished.folder}", base[0], f"inputs={root}", f"output={output}"]
    assert run(["predict", *words]) == 0
    table, columns = read_predictions(output, finished), columns_of(finished)
    assert list(table.columns) == ["path", "predicted", "note", *columns]
    table["path"] = table["path"].str.removeprefix(f"{root}/")
    both = finished.predictions.merge(table, on="path", suffixes=("", "_again"))
    assert len(both) == len(finished.predictions)
    assert (both["predicted"] == both["predicted_again"]).all()
    for name in columns:
        assert np.allclose(both[name], both[f"{name}_again"], atol=1e-5)


def test_a_stream_gives_the_timeline_of_predict(
    finished: Run, base: list[str], tmp_path: Path
) -> None:
    root = Path(finished.settings.dataset["root"])
    waves, rates = zip(*(decode(root / path) for path in finished.predictions["path"]), strict=True)
    sf.write(tmp_path / "long.flac", np.concatenate(waves), rates[0])
    words = [f"run={finished.folder}", base[0], f"inputs={tmp_path}/long.flac", "timeline=true"]
    assert run(["predict", *words, f"output={tmp_path}/o.csv", "hop_s=0.7"]) == 0
    timeline = read_predictions(tmp_path / "o.timeline.csv", finished)
    wave, rate = decode(tmp_path / "long.flac")
    settings = compose("predict", [f"run={finished.folder}", base[0]]).settings
    stream = Stream(open_predictor(settings), rate, hop_s=0.7)
    cuts = np.cumsum(np.random.default_rng(0).integers(0, 9000, 1000))
    windows = []
    for chunk in np.split(wave, cuts[cuts < len(wave)]):
        windows += stream.feed(chunk)
    windows += stream.close()
    assert [str(window.start_s) for window in windows] == list(timeline["start_s"])
    assert [window.prediction.note for window in windows] == list(timeline["note"])
    probabilities = np.array([window.prediction.probabilities for window in windows])
    # Batches of other sizes differ by rounding.
    assert np.allclose(probabilities, timeline[columns_of(finished)], atol=1e-6)


def test_the_training_profile_is_computed_once_and_only_where_the_clips_are(
    finished: Run, base: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(finished.folder, folder)
    (folder / "profile.json").unlink(missing_ok=True)
    write_clip(tmp_path / "rare.wav", 1.5, rate=1000)
    words = [f"run={folder}", base[0], f"inputs={tmp_path}/rare.wav", "speech_gate=false"]
    notes, computed = [], []
    for _ in range(2):
        assert run(["predict", *words, f"output={tmp_path}/o.csv"]) == 0
        notes.append(read_table(tmp_path / "o.csv")["note"][0])
        log = capfd.readouterr().err
        computed.append("computing the profile" in log)
        assert "sample rate 1,000 Hz" in log
    assert notes == ["unlike training"] * 2
    assert computed == [True, False]
    (folder / "profile.json").write_text("{}")
    assert run(["predict", *words]) == 1
    (folder / "profile.json").unlink()
    moved = (folder / "config.yaml").read_text().replace(finished.settings.dataset["root"], "/none")
    (folder / "config.yaml").write_text(moved)
    assert run(["predict", *words, f"output={tmp_path}/o.csv"]) == 0
    assert read_table(tmp_path / "o.csv")["note"][0] == ""
    assert not (folder / "profile.json").exists()


def test_an_ensemble_predicts_the_mean_of_the_probabilities(
    finished: Run, train: Train, base: list[str], tmp_path: Path
) -> None:
    other = train("seed=1", "preprocessing=speech_16k", "model=crnn")
    tables, columns = [], columns_of(finished)
    for name in (finished.folder, other.folder, f"[{finished.folder},{other.folder}]"):
        output = tmp_path / f"{len(tables)}.csv"
        inputs = f"inputs={finished.settings.dataset['root']}"
        assert run(["predict", f"run={name}", base[0], inputs, f"output={output}"]) == 0
        tables.append(read_predictions(output, finished))
    first, second, both = (table[columns] for table in tables)
    assert not np.allclose(first, second, atol=0.01)
    assert np.allclose(both, (first + second) / 2, atol=1e-6)
    best = both.idxmax(axis=1).str.removeprefix("p_")
    assert list(tables[2]["predicted"]) == list(best)


def test_an_ensemble_needs_runs_with_the_same_classes(
    finished: Run, train: Train, base: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = train("dataset.labels=[happy,sad]", "trainer.max_epochs=1")
    inputs = f"inputs={finished.settings.dataset['root']}"
    assert run(["predict", f"run=[{finished.folder},{other.folder}]", base[0], inputs]) == 1
    assert "needs runs with the same classes" in capsys.readouterr().err
    assert run(["predict", "run=[]", base[0], inputs]) == 1
    assert "run=[]" in capsys.readouterr().err


def test_any_file_name_is_predicted_and_unreadable_files_are_skipped(
    finished: Run, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(finished.settings.dataset["root"]) / finished.predictions["path"][0]
    names = ["my clip (1).wav", "a,b.wav", "émotion.wav", "it's #1 [x].wav"]
    for name in names:
        shutil.copy(source, tmp_path / name)
    (tmp_path / "broken.wav").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    assert run(["predict", base[0], f"run={finished.folder}", "output=o.jsonl", *names]) == 0
    rows = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == sorted(names)
    assert run(["predict", base[0], f"run={finished.folder}", "output=o.jsonl", "."]) == 3
    assert len(Path("o.jsonl").read_text().splitlines()) == len(names)


def test_a_sweep_table_has_a_row_for_every_job_failed_ones_included(
    base: list[str], tmp_path: Path
) -> None:
    words = [*base[:3], f"hydra.sweep.dir={tmp_path}", "trainer.max_epochs=1", "-m"]
    assert run(["train", *words, "loader.batch_size=16,0", "loader.num_workers=0,2"]) == 1
    table = read_table(tmp_path / "sweep.csv")
    assert list(table["status"]) == ["done", "done", "failed", "failed"]
    assert float(table["test_uar"][0]) == pytest.approx(float(table["test_uar"][1]))
    assert (table["clips_per_second"][:2].astype(float) > 0).all()
    assert table["cpu_percent"][:2].astype(float).between(1, 100.5).all()
    assert "loader.batch_size=0" in table["error"][2]
    assert not (tmp_path / "2").exists()
