"""Whole runs: their files, their repeatability, and their resumption."""

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.cli.main import run
from emotion.errors import RunError
from emotion.runs.checkpoints import SafeCheckpointIO
from emotion.runs.run import Run
from emotion.training.callbacks.progress import EpochProgress
from emotion.training.train import resume
from tests.support.archive import write_clip
from tests.support.damages import DAMAGES
from tests.support.trained import Train

Capture = pytest.CaptureFixture[str]

CONTRACT = [
    "config.yaml",
    "environment.json",
    "split.csv",
    "skipped.csv",
    "metrics.json",
    "predictions.csv",
    "timing.json",
    "report.html",
    "confusion.png",
    "train.log",
    "history.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "checkpoints/best.ckpt.sha256",
]
REPEATABLE = ("predictions.csv", "metrics.json", "split.csv", "history.csv")
"""Files that are the same for the same settings."""


def assert_same_files(one: Run, other: Run) -> None:
    for name in REPEATABLE:
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes(), name


def test_a_run_leaves_every_file_of_the_contract(finished: Run) -> None:
    assert [name for name in CONTRACT if not (finished.folder / name).is_file()] == []
    assert list((finished.folder / "tensorboard").glob("events.*"))
    assert not list(finished.folder.rglob("*.partial"))


def test_a_seed_gives_the_same_files_and_another_seed_gives_others(
    finished: Run, train: Train
) -> None:
    assert_same_files(train(), finished)
    other = (train("seed=1").folder / "history.csv").read_bytes()
    assert other != (finished.folder / "history.csv").read_bytes()


def test_an_existing_run_is_never_overwritten(
    finished: Run, base: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    before = (finished.folder / "config.yaml").stat().st_mtime_ns
    assert run(["train", *base, f"hydra.run.dir={finished.folder}"]) == 1
    assert "holds a run already" in capfd.readouterr().err
    assert (finished.folder / "config.yaml").stat().st_mtime_ns == before


def test_a_dataset_of_one_class_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(8):
        write_clip(tmp_path / "mine" / "sad" / f"{number}.wav", seed=number)
    words = ["dataset=folder", f"dataset.root={tmp_path}/mine", "split=random"]
    assert run(["train", *words, f"output_root={tmp_path}/outputs"]) == 1
    assert "there is one class, sad" in capfd.readouterr().err


def test_the_debug_trainer_trains_one_batch_and_writes_no_metrics(train: Train) -> None:
    debugged = train("trainer=debug")
    assert not (debugged.folder / "metrics.json").exists()
    assert "trainer=debug writes no metrics" in (debugged.folder / "train.log").read_text()


@pytest.mark.parametrize("words", [(), ("experiment=best",)], ids=["plain", "averaged weights"])
def test_an_interrupted_run_is_resumed_to_the_same_bytes(
    words: tuple[str, ...],
    finished: Run,
    train: Train,
    base: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(self: EpochProgress, trainer: object, *_: object) -> None:
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGINT)

    whole = train(*words) if words else finished
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", interrupt)
        broken = train(*words, code=130)
    assert not (broken.folder / "metrics.json").exists()
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    log = (broken.folder / "train.log").read_text()
    assert "resumed at epoch 1, step 6" in log, "the step that the signal came in is kept"
    assert_same_files(broken, whole)


def test_only_the_report_is_written_where_only_it_is_missing(
    train: Train, base: list[str], monkeypatch: pytest.MonkeyPatch, finished: Run
) -> None:
    def terminate(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("emotion.training.train.write_report", terminate)
        broken = train(code=143)
    assert not broken.finished
    last = (broken.folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    assert (broken.folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns == last
    assert "resumed at epoch 2, step 10" in (broken.folder / "train.log").read_text()
    assert Run(broken.folder).finished
    assert_same_files(broken, finished)


def test_a_finished_run_is_left_unchanged(finished: Run, base: list[str]) -> None:
    before = (finished.folder / "report.html").stat().st_mtime_ns
    assert run(["train", *base[:1], f"resume={finished.folder}"]) == 0
    assert (finished.folder / "report.html").stat().st_mtime_ns == before
    assert "is finished" in (finished.folder / "train.log").read_text()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_with_a_damaged_last_checkpoint_is_resumed_from_the_previous_one(
    damage: Callable[[Path], None], base: list[str], finished: Run, tmp_path: Path
) -> None:
    broken = Run(shutil.copytree(finished.folder, tmp_path / "moved"))
    for name in ("report.html", "metrics.json", "predictions.csv"):
        (broken.folder / name).unlink()
    damage(broken.folder / "checkpoints" / "last.ckpt")
    assert run(["train", *base[:1], f"resume={broken.folder}"]) == 0
    log = (broken.folder / "train.log").read_text()
    assert "last.ckpt is damaged: its checksum does not match" in log
    assert "training continues from the previous checkpoint" in log
    assert "resumed at epoch 1, step 5" in log
    assert_same_files(broken, finished)


def test_a_run_is_not_resumed_with_other_clips(finished: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    (run.folder / "metrics.json").unlink()
    about = (run.folder / "environment.json").read_text()
    index = run.environment["fingerprints"]["index"]
    (run.folder / "environment.json").write_text(about.replace(index, "0" * len(index)))
    with pytest.raises(RunError, match=r"have changed since .*Restore them, or start a new run"):
        resume(Run(run.folder), [])


@pytest.mark.parametrize(
    "command",
    [
        "train resume",
        "train init_from",
        "evaluate run",
        "evaluate run perturb=gain",
        "evaluate run dataset=synthetic",
        "export run",
    ],
)
def test_a_run_whose_split_was_edited_is_refused(
    finished: Run,
    base: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    name, key, *more = command.split()
    edited = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    if key == "resume":
        (edited.folder / "metrics.json").unlink()
    text = (edited.folder / "split.csv").read_text()
    (edited.folder / "split.csv").write_text(text.replace(",test\n", ",train\n", 1))
    before = files_of(edited.folder)
    words = [name, f"{key}={edited.folder}", base[0], f"cache_dir={edited.settings.cache_dir}"]
    words += [f"hydra.run.dir={tmp_path}/new"] if key == "init_from" else []
    assert run([*words, *more]) == 1
    assert "split.csv was changed after the start of the run" in capfd.readouterr().err
    assert files_of(edited.folder) == before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.max_epochs=4", r"=4 at loader\.batch_size=16 makes 20 steps.*ends after 10"),
        ("loader.batch_size=4", r"=2 at loader\.batch_size=4 makes 36 steps.*ends after 10"),
        ("trainer.optimizer.lr=0.5", r"trainer\.optimizer cannot change in a resumed run"),
        ("trainer.schedule=null", r"trainer\.schedule cannot change in a resumed run"),
        ("trainer.precision=9", "9"),
        ("checkpoint.every_steps=0", r"checkpoint\.every_steps=0 must be at least 1"),
    ],
)
def test_a_refused_resume_leaves_every_file_unchanged(
    finished: Run, base: list[str], tmp_path: Path, word: str, message: str, capfd: Capture
) -> None:
    stopped = unfinished(finished, tmp_path)
    before = files_of(stopped.folder)
    assert run(["train", base[0], f"resume={stopped.folder}", word]) == 1
    assert re.search(message, capfd.readouterr().err)
    assert files_of(stopped.folder) == before


def test_settings_that_lightning_refuses_are_not_saved(
    finished: Run, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RunError("the checkpoint cannot be restored")

    stopped = unfinished(finished, tmp_path)
    damage = stopped.folder / "checkpoints" / "last.ckpt"
    damage.write_bytes(b"damaged")
    before = files_of(stopped.folder)
    words = ["train", base[0], f"resume={stopped.folder}", "checkpoint.every_steps=3"]
    with monkeypatch.context() as patch:
        patch.setattr(SafeCheckpointIO, "load_checkpoint", refuse)
        assert run(words) == 1
    assert files_of(stopped.folder) == before
    assert run(words) == 0
    assert Run(stopped.folder).settings.checkpoint.every_steps == 3


def unfinished(finished: Run, tmp_path: Path) -> Run:
    """Return a copy of a run that was stopped before its test."""
    stopped = Run(shutil.copytree(finished.folder, tmp_path / "stopped"))
    for name in ("report.html", "metrics.json", "predictions.csv"):
        (stopped.folder / name).unlink()
    return stopped


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a run except its log and curves, which a refusal may extend."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "train.log")
    paths = (path for path in paths if "tensorboard" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_run_is_neither_trivial_nor_hopeless(tmp_path: Path, seed: int) -> None:
    words = [f"output_root={tmp_path}", f"hydra.run.dir={tmp_path}/run", f"seed={seed}"]
    assert run(["train", *words]) == 0
    assert 0.5 <= Run(tmp_path / "run").metrics["test"]["uar"] <= 0.9


@pytest.mark.slow
def test_permuted_labels_give_scores_of_chance(tmp_path: Path) -> None:
    words = ["train", f"output_root={tmp_path}", "logger=csv"]
    assert run([*words, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path}/one"]) == 0
    one = Run(tmp_path / "one")
    table = one.split.drop(columns="subset")
    shuffled = np.random.default_rng(0).permutation(table["emotion"])
    table.assign(emotion=shuffled).to_csv(tmp_path / "permuted.csv", index=False)
    own = ["dataset=csv", f"dataset.path={tmp_path}/permuted.csv"]
    root = f"dataset.root={one.settings.dataset['root']}"
    assert run([*words, *own, root, f"hydra.run.dir={tmp_path}/permuted"]) == 0
    assert Run(tmp_path / "permuted").metrics["test"]["uar"] == pytest.approx(1 / 6, abs=0.08)
