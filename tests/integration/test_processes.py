"""Runs of two processes: the same folder, clips and metrics as of one process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.runs.run import Run

pytestmark = pytest.mark.slow

EMOTION = [sys.executable, "-m", "emotion", "train"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
CPU = "trainer.accelerator=cpu"
TWO_DEVICES = [CPU, "trainer.strategy=ddp", "trainer.devices=2"]
# 75 training clips and 15 validation clips: both are odd, and no multiple of the batch size.
TINY = [
    "dataset.generate.speakers=8",
    "dataset.generate.sentences=3",
    "dataset.labels=[sad,angry,fear,happy,neutral]",
    "trainer.max_epochs=2",
    "loader.batch_size=16",
]


PLAIN = """
# @package _global_
defaults: [/model/base@model, _self_]
model:
  _target_: emotion.models.any_module.ModuleClassifier
  augment: null
  network:
    _target_: torch.nn.Sequential
    _args_:
      - {_target_: torch.nn.AdaptiveAvgPool2d, output_size: 8}
      - {_target_: torch.nn.Flatten}
      - {_target_: torch.nn.Linear, in_features: 64, out_features: 32}
      - {_target_: torch.nn.GELU}
      - {_target_: torch.nn.Linear, in_features: 32, out_features: 5}
recipe: {max_epochs: 4, batch_size: 20}
"""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"} | more


def output_of(command: list[str], **more: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, env=environment(**more)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def only_run(root: Path) -> Run:
    """Return the only run under a root: a second process must not have made a folder."""
    (folder,) = (root / "train").iterdir()
    return Run(folder)


def check_whole(run: Run) -> None:
    """Check that a run of several processes used and wrote every clip once."""
    test = run.split["path"][run.split["subset"] == "test"]
    assert sorted(run.predictions["path"]) == sorted(test)
    assert run.metrics["test"]["n"] == len(test)
    assert np.isfinite(run.predictions.filter(like="p_").to_numpy(dtype=float)).all()
    log = (run.folder / "train.log").read_text()
    assert log.count("epoch 1/2") == log.count("epoch 2/2") == 1
    assert run.finished
    history = pd.read_csv(run.folder / "history.csv")
    assert list(history["epoch"]) == [0, 1]
    # The validation metric of the kept epoch, from both processes, is that of the test of one.
    best = history["val_uar"][run.metrics["best_epoch"]]
    assert best == pytest.approx(run.metrics["val"]["uar"], abs=1e-6)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"cache_dir={tmp_path_factory.mktemp('cache')}"


@pytest.mark.parametrize("average", [[], ["trainer.ema_decay=0.9"]], ids=["plain", "averaged"])
def test_lightning_starts_the_second_process(
    average: list[str], cache: str, tmp_path: Path
) -> None:
    words = [*TINY, cache, f"output_root={tmp_path}", *TWO_DEVICES, *average]
    output = output_of([*EMOTION, *words])
    check_whole(only_run(tmp_path))
    assert output.count("test UAR") == output.count("epoch 1/2") == 1


def test_torchrun_starts_both(cache: str, tmp_path: Path) -> None:
    words = [*TINY, cache, f"output_root={tmp_path}", "trainer=ddp", CPU]
    output = output_of([*TORCHRUN, "-m", "emotion", "train", *words])
    check_whole(only_run(tmp_path))
    assert output.count("test UAR") == output.count("epoch 1/2") == 1


def test_slurm_starts_both(cache: str, tmp_path: Path) -> None:
    """The variables are those that srun sets; SLURM itself is not installed."""
    words = [*TINY, cache, f"output_root={tmp_path}", "trainer=ddp", CPU]
    variables = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "emotion",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_NODELIST": "localhost",
    }
    both = [
        subprocess.Popen(
            [*EMOTION, *words],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(**variables, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank)),
        )
        for rank in (0, 1)
    ]
    output = [process.communicate(timeout=500)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    check_whole(only_run(tmp_path))
    assert "test UAR" in output[0]
    assert output[1] == ""


def test_a_killed_run_of_two_processes_is_resumed_with_two(cache: str, tmp_path: Path) -> None:
    words = [*TINY, "trainer.max_epochs=60", cache, f"output_root={tmp_path}", *TWO_DEVICES]
    words += ["trainer.early_stopping.patience=99"]
    process = subprocess.Popen([*EMOTION, *words], env=environment(), start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("train/*/checkpoints/previous.ckpt.sha256")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = only_run(tmp_path)
    output_of([*EMOTION, f"resume={run.folder}", "trainer.max_epochs=6"])
    assert Run(run.folder).finished
    assert "resumed at epoch" in (run.folder / "train.log").read_text()
    assert len(run.predictions) == run.metrics["test"]["n"]


def test_jobs_of_a_sweep_or_study_take_one_device(cache: str, tmp_path: Path) -> None:
    words = [*TINY, cache, f"output_root={tmp_path}", *TWO_DEVICES]
    for command in ([*EMOTION, "-m"], [*EMOTION[:-1], "study"]):
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=300, env=environment()
        )
        assert done.returncode == 1
        assert "2 devices are possible for one run" in done.stdout + done.stderr


def test_without_batch_norm_two_processes_train_as_one(cache: str, tmp_path: Path) -> None:
    """The network has no random numbers and no statistics of a batch: only the split of batches
    across processes could make a difference."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "plain.yaml").write_text(PLAIN)
    histories, probabilities = [], []
    for name, devices in (("one", [CPU]), ("two", TWO_DEVICES)):
        words = [*TINY, "model=plain", cache, f"hydra.run.dir={tmp_path / name}", *devices]
        words += ["dataset.generate.sentences=4", "loader.batch_size=20", "trainer.max_epochs=4"]
        output_of([*EMOTION, "--config-dir", str(tmp_path), *words, f"output_root={tmp_path}"])
        histories.append(pd.read_csv(tmp_path / name / "history.csv"))
        probabilities.append(
            Run(tmp_path / name).predictions.filter(like="p_").to_numpy(dtype=float)
        )
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    assert histories[0]["train_loss"].iloc[-1] < 0.99 * histories[0]["train_loss"][0]
    np.testing.assert_allclose(*probabilities, atol=1e-3)


def test_two_processes_reach_the_scores_of_one(cache: str, tmp_path: Path) -> None:
    """With the same voices, batches and epochs, the means over three seeds differ by no more than
    the seeds do."""
    words_of_all = ["dataset.generate.speakers=10", "dataset.generate.sentences=10", "split.seed=0"]
    words_of_all += ["trainer.max_epochs=20", "trainer.optimizer.lr=3e-3", "loader.batch_size=32"]
    words_of_all += ["trainer.early_stopping.patience=99"]
    scores: dict[str, list[float]] = {"one": [], "two": []}
    for seed in (0, 1, 2):
        for name, devices in (("one", [CPU]), ("two", TWO_DEVICES)):
            folder = tmp_path / f"{name}-{seed}"
            words = [
                *TINY,
                *words_of_all,
                cache,
                f"seed={seed}",
                f"hydra.run.dir={folder}",
                *devices,
            ]
            output_of([*EMOTION, *words, f"output_root={tmp_path}"])
            scores[name].append(Run(folder).metrics["test"]["uar"])
    print(scores)
    spread = max(np.ptp(scores["one"]), np.ptp(scores["two"]))
    assert min(scores["one"] + scores["two"]) > 0.3, scores  # chance is 0.2
    assert abs(np.mean(scores["one"]) - np.mean(scores["two"])) <= spread, scores
