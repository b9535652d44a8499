"""Two runs against each other, another tool's answers, and what noise does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from emotion.audio.decode import decode
from emotion.audio.standardise import frame_levels_db
from emotion.cli.main import run
from emotion.runs.references import references
from emotion.runs.run import Run
from emotion.utils.tables import write_table

TINY = ["dataset.generate.speakers=10", "dataset.generate.sentences=2", "loader.batch_size=16"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def runs(root: Path) -> list[Run]:
    """Two runs on one split, of three and of one epoch."""
    made = []
    for name, epochs in (("longer", 3), ("shorter", 1)):
        words = [*TINY, f"output_root={root}", f"hydra.run.dir={root}/{name}"]
        assert (
            run(["train", *words, "split.test_fraction=0.4", f"trainer.max_epochs={epochs}"]) == 0
        )
        made.append(Run(root / name))
    return made


def test_two_runs_are_compared(
    runs: list[Run], root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", f"run=[{runs[0].folder},{runs[1].folder}]", f"output_root={root}"]) == 0
    assert "sign flip over 4 speakers" in capfd.readouterr().out
    file = runs[0].folder.resolve() / "evaluate/against_shorter/comparison.json"
    comparison = json.loads(file.read_text())
    assert comparison["n"] == runs[0].metrics["test"]["n"]
    assert references(runs[1].folder) == [file]
    mine, theirs = (each.metrics["test"]["uar"] for each in runs)
    assert comparison["difference"] == pytest.approx(mine - theirs)


def test_predictions_of_scikit_learn_are_scored(
    runs: list[Run], root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split = runs[0].split
    clips = Path(runs[0].settings.dataset["root"])

    def features(path: str) -> list[float]:
        wave, rate = decode(clips / path)
        levels = frame_levels_db(wave, rate)
        crossings = np.mean(np.diff(np.signbit(wave)))
        return [len(wave) / rate, float(levels.std()), float(levels.max()), float(crossings)]

    seen = np.array([features(path) for path in split["path"]])
    test = (split["subset"] == "test").to_numpy()
    model = LogisticRegression(max_iter=2000).fit(seen[~test], split["emotion"][~test])
    chances = pd.DataFrame(
        model.predict_proba(seen[test]), columns=[f"p_{c}" for c in model.classes_]
    )
    chances.insert(0, "path", split["path"][test].to_numpy())
    file = tmp_path / "sklearn.csv"
    write_table(file, chances)
    split_file = runs[0].folder / "split.csv"
    words = [f"split.path={split_file}", f"output_root={root}"]
    assert run(["evaluate", f"predictions={file}", *words]) == 0
    assert "test set used by 3 runs" in capfd.readouterr().out
    judged = json.loads((root / "evaluate" / "sklearn" / "metrics.json").read_text())["test"]
    expected = balanced_accuracy_score(split["emotion"][test], model.predict(seen[test]))
    assert judged["uar"] == pytest.approx(expected)
    assert judged["interval"]["speakers"] == 4
    assert "Confusion matrix" in (root / "evaluate" / "sklearn" / "report.html").read_text()
    ours = runs[0].folder / "predictions.csv"
    assert run(["evaluate", f"predictions=[{file},{ours}]", *words]) == 0
    assert "sklearn - predictions: UAR" in capfd.readouterr().out
    against = f"run=[{runs[0].folder},{root / 'evaluate' / 'sklearn'}]"
    assert run(["evaluate", against, f"output_root={root}"]) == 0


def test_clips_of_classes_that_the_run_lacks_stand_in_the_output(
    runs: list[Run], root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = Path(runs[0].settings.dataset["root"])
    rows = runs[0].split[["path", "emotion"]].replace({"emotion": {"sad": "boredom"}})
    rows["path"] = [str(clips / path) for path in rows["path"]]
    write_table(tmp_path / "other.csv", rows)
    own = ["dataset=csv", f"dataset.path={tmp_path}/other.csv", f"output_root={root}"]
    assert run(["evaluate", f"run={runs[1].folder}", *own]) == 0
    printed = capfd.readouterr().out
    count = int((rows["emotion"] == "boredom").sum())
    text = f"of {len(rows)} clips, {count} clips of other classes are left out: boredom {count}"
    assert text in printed
    known = len(rows) - count
    assert f"leakage not checkable: {known} clips of unknown speakers" in printed
    metrics = json.loads((runs[1].folder / "evaluate/csv/metrics.json").read_text())
    assert metrics["left_out"] == {"boredom": count}
    assert metrics["audit"]["not_checkable"] == known
    assert metrics["test"]["interval"] == {"uar_low": None, "uar_high": None, "speakers": 0}
    assert metrics["test"]["by_speaker"] == {}


def test_a_corpus_that_the_run_learned_from_is_marked(
    runs: list[Run], root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", f"run={runs[1].folder}", f"output_root={root}"]
    assert run([*words, "dataset=synthetic", *TINY[:2]]) == 0
    assert "LEAKS: speakers synthetic" in capfd.readouterr().out
    judged = runs[1].folder / "evaluate" / "synthetic"
    assert json.loads((judged / "metrics.json").read_text())["leaks"] is True
    assert "synthetic LEAKS" in (runs[1].folder / "report.html").read_text(encoding="utf-8")
    assert not runs[1].leaks, "its own test is clean"


def test_a_corpus_of_any_name_is_judged_inside_the_run(
    runs: list[Run], root: Path, tmp_path: Path
) -> None:
    clips = sorted(root.glob("cache/synthetic/*/*.wav"))[:24]
    rows = [[str(path), path.stem.rpartition("_")[2], "../../../escaped"] for path in clips]
    write_table(tmp_path / "t.csv", pd.DataFrame(rows, columns=["path", "emotion", "corpus"]))
    before = {path for path in root.rglob("*") if path.is_dir()}
    words = ["dataset=csv", f"dataset.path={tmp_path}/t.csv", f"output_root={root}"]
    assert run(["evaluate", f"run={runs[0].folder}", *words]) == 0
    new = {path for path in root.rglob("predictions.csv") if path.parent not in before}
    assert [path.parent.parent for path in new] == [runs[0].folder / "evaluate"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_predictions_of_any_name_are_scored_below_the_folder_of_evaluations(
    runs: list[Run], tmp_path: Path
) -> None:
    file = shutil.copy(runs[0].folder / "predictions.csv", tmp_path / "...csv")
    words = [f"predictions={file}", f"split.path={runs[0].folder}/split.csv"]
    assert run(["evaluate", *words, f"output_root={tmp_path}/out"]) == 0
    reports = [path.relative_to(tmp_path).parts for path in tmp_path.rglob("report.html")]
    assert [(*parts[:2], len(parts)) for parts in reports] == [("out", "evaluate", 4)]


def test_a_refused_evaluation_counts_no_access_and_writes_nothing(
    runs: list[Run], root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stopped = Run(shutil.copytree(runs[0].folder, tmp_path / "stopped"))
    untrained = Run(shutil.copytree(runs[0].folder, tmp_path / "untrained"))
    (stopped.folder / "metrics.json").unlink()
    untrained.best.unlink()
    split = f"split.path={runs[0].folder}/split.csv"
    good = runs[0].folder / "predictions.csv"
    (tmp_path / "bad.csv").write_text("path,predicted\na.wav,sad\n")
    for words, message in (
        ([f"run={stopped.folder}", "dataset=synthetic", *TINY[:2]], "is not finished"),
        ([f"run={untrained.folder}"], "has no best.ckpt"),
        ([f"run={untrained.folder}", "perturb=gian"], "perturb=gian is unknown"),
        ([f"predictions=[{good},{tmp_path}/bad.csv]", split], "has no prediction"),
        (
            [f"predictions=[{good},{tmp_path}/predictions.csv]", split],
            "evaluate/predictions. Rename",
        ),
    ):
        cache = f"cache_dir={root}/cache"
        assert run(["evaluate", *words, cache, f"output_root={tmp_path}/out"]) == 1
        assert message in capfd.readouterr().err
        assert not (tmp_path / "out").exists()


def test_noise_makes_a_curve(runs: list[Run], root: Path) -> None:
    words = ["perturb=[white_noise,gain]", f"output_root={root}"]
    assert run(["evaluate", f"run={runs[0].folder}", *words]) == 0
    curves = runs[0].robustness["curves"]
    assert [point["strength"] for point in curves["white_noise"]] == [20, 10, 5, 0]
    assert len(curves["gain"]) == 3
    assert all(0 <= point["uar"] <= 1 for curve in curves.values() for point in curve)
