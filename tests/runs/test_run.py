"""Run folders."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from emotion.errors import RunError
from emotion.runs.run import FINISHED, Run, find_run, find_runs, training_clips
from emotion.utils.files import file_digest, write_json
from tests.support.runs import write_run


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "source"
    return write_run(folder, "model.channels=[2,2,2,2]", f"output_root={folder.parent}")


@pytest.fixture
def copy(source: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(source.folder, tmp_path / "train" / "2026-01-02_10-00-00"))


def write_metrics(run: Run, test: float, val: float) -> None:
    metrics = {"status": FINISHED, "test": {"uar": test}, "val": {"uar": val}}
    (run.folder / "metrics.json").write_text(json.dumps(metrics))


def test_a_run_is_finished_once_its_metrics_have_that_status(copy: Run) -> None:
    assert copy.metrics == {}
    assert not copy.finished
    (copy.folder / "metrics.json").write_text('{"val": {}}')
    assert not Run(copy.folder).finished
    write_metrics(copy, 0.5, 0.5)
    assert Run(copy.folder).finished
    assert not copy.finished, "a Run is as it was when its file was read"


def test_a_damaged_file_is_named(copy: Run) -> None:
    (copy.folder / "metrics.json").write_text('{"val": ')
    with pytest.raises(RunError, match=r"metrics\.json is damaged"):
        assert copy.metrics


def test_an_edited_split_is_refused(copy: Run) -> None:
    assert list(copy.split["subset"]) == ["train"]
    text = (copy.folder / "split.csv").read_text()
    (copy.folder / "split.csv").write_text(text.replace(",train", ",test"))
    with pytest.raises(RunError, match=r"split\.csv was changed after the start of the run"):
        assert Run(copy.folder).split is None
    (copy.folder / "split.csv").unlink()
    with pytest.raises(RunError, match=r"has no split\.csv"):
        assert Run(copy.folder).split_file


def test_an_untested_run_has_no_predictions(copy: Run) -> None:
    with pytest.raises(RunError, match=r"has no predictions\.csv: the run is untested"):
        assert copy.predictions is None
    assert copy.test_accesses == frozenset()
    assert not copy.chosen_by_test


def test_latest_is_the_run_that_was_started_last_whatever_its_name(
    copy: Run, tmp_path: Path
) -> None:
    older = shutil.copytree(copy.folder, copy.folder.with_name("2026-01-01_10-00-00"))
    (copy.folder.parent / "not a run").mkdir()
    write_json(copy.folder / "environment.json", {"started": "2026-11-28T10:00:00+00:00"})
    for name, started in {"zebra": "2026-11-27T09:00:00+00:00", "zoo": None}.items():
        named = shutil.copytree(copy.folder, tmp_path / "train" / name)
        write_json(named / "environment.json", {"started": started} if started else {})
    assert find_run("latest", tmp_path) == copy
    for name in ("zebra", "zoo"):
        shutil.rmtree(tmp_path / "train" / name)
    assert [run.folder for run in find_runs(tmp_path / "train")] == [older, copy.folder]
    assert find_run(str(older), tmp_path) == Run(older)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "run= is not set"),
        ("latest", "there is no run under .* yet"),
        ("/nowhere", "there is no run folder /nowhere"),
        (".", r"is not a run folder: it has no config\.yaml"),
    ],
)
def test_a_name_that_opens_no_run_is_an_error(
    name: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=message):
        find_run(name, tmp_path)


def test_training_clips_are_those_of_all_runs_back_to_the_first(
    source: Run, copy: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def clips(name: str) -> pd.DataFrame:
        rows = [(f"{name}-{subset}.wav", "own", "x", "sad", subset) for subset in SUBSETS]
        return pd.DataFrame(rows, columns=["path", "corpus", "speaker", "emotion", "subset"])

    text = (copy.folder / "config.yaml").read_text()
    (copy.folder / "config.yaml").write_text(
        text.replace("init_from: null", f"init_from: {source.folder}")
    )
    clips("child").to_csv(copy.folder / "split.csv", index=False)
    digest = file_digest(copy.folder / "split.csv")
    write_json(copy.folder / "environment.json", {"fingerprints": {"split": digest}})
    own = ["child-train.wav", "child-val.wav"]
    assert list(training_clips(copy)["path"]) == [*own, "a.wav"]
    moved = source.folder.rename(source.folder.with_name("moved"))
    assert list(training_clips(Run(copy.folder))["path"]) == own
    assert "no longer exists: whether they were trained on test clips is unknown" in caplog.text
    moved.rename(source.folder)


SUBSETS = ("train", "val", "test")


def test_a_run_that_is_best_on_test_clips_only_is_marked(
    copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Run(shutil.copytree(copy.folder, copy.folder.with_name("other")))
    both = frozenset(str(run.folder.resolve()) for run in (copy, other))
    monkeypatch.setattr(Run, "test_accesses", both)
    write_metrics(copy, test=0.6, val=0.5)
    write_metrics(other, test=0.5, val=0.7)
    assert Run(copy.folder).chosen_by_test
    assert not Run(other.folder).chosen_by_test
    write_metrics(other, test=0.5, val=0.4)
    assert not Run(copy.folder).chosen_by_test
