"""The Python entry: `emotion.load` and `emotion.train`."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import emotion
from emotion.errors import ConfigError
from emotion.runs.run import Run
from emotion.training.callbacks.progress import EpochProgress

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)
TINY = (
    "dataset.generate.speakers=4",
    "dataset.generate.sentences=2",
    "trainer.max_epochs=2",
    "loader.batch_size=16",
)


@pytest.fixture(autouse=True)
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of a user, and a root logger that keeps warnings only."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(level)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in HANDLED]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import emotion;"
        "seconds = time.perf_counter() - start;"
        "heavy = {'numpy', 'torch', 'hydra', 'omegaconf', 'pandas'} & set(sys.modules);"
        "assert not heavy, heavy; assert seconds < 0.1, seconds"
    )
    for attempt in range(3):  # a busy machine may be slow once
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode == 0 or "heavy, heavy" in done.stderr or attempt == 2:
            break
    assert done.returncode == 0, done.stderr


def test_train_returns_the_run_with_its_log_and_leaves_the_process_as_it_was(
    tmp_path: Path,
) -> None:
    before = handlers()
    run = emotion.train("dataset=synthetic", *TINY)
    assert handlers() == before
    assert run.finished
    assert run.folder.resolve().parent == tmp_path / "outputs" / "train"
    assert run.metrics["test"]["n"] == len(run.predictions)
    assert {"path", "target", "predicted", "p_sad"} <= set(run.predictions.columns)
    assert "epoch 2/2" in (run.folder / "train.log").read_text()
    assert not logging.getLogger("emotion").isEnabledFor(logging.INFO)


def test_train_works_in_a_thread_that_is_not_the_main_one() -> None:
    runs: list[Run] = []
    before = handlers()
    thread = threading.Thread(target=lambda: runs.append(emotion.train(*TINY)))
    thread.start()
    thread.join()
    assert handlers() == before
    assert runs[0].metrics["test"]["uar"] > 0


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_stops_a_training_that_can_be_resumed(
    number: int, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: EpochProgress, trainer: Any, *_: object) -> None:
        if trainer.current_epoch == 1:
            signal.raise_signal(number)

    before = handlers()
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_start", interrupt)
        with pytest.raises(error):
            emotion.train(*TINY, "hydra.run.dir=run")
    assert handlers() == before
    assert not Run(Path("run")).finished
    assert emotion.train("resume=run").finished
    assert "resumed at epoch 1" in Path("run/train.log").read_text()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.keep=first", "trainer.keep=first is not valid"),
        ("trainer.max_epoch=3", "no setting 'trainer.max_epoch'.*trainer.max_epochs"),
        ("model=nothing", "model=nothing does not exist"),
        ("seed=one", "seed: Value 'one'"),
        ("cnn", "takes settings as name=value, not 'cnn'"),
        ("-m", "'-m' cannot be read as a setting"),
    ],
)
def test_a_wrong_setting_is_an_error_of_this_package(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        emotion.train(word, *TINY)
    assert not list(Path().glob("outputs/train/*/config.yaml"))


def test_a_training_that_cannot_start_leaves_no_folder() -> None:
    with pytest.raises(ConfigError, match="fewer than two classes"):
        emotion.train("dataset.labels=[sad]", *TINY)
    assert not list(Path().glob("outputs/train/*"))
