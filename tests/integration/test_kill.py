"""Kills at random times, on a slow disk: a resumed job gives the same bits as one without a kill.

`--kills 20` kills training twenty times, `prepare` ten times and a study five times.
"""

import hashlib
import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emotion.runs.checkpoints import read_checkpoint
from emotion.runs.run import Run, find_runs
from emotion.utils.tables import read_table
from tests.support.slow_disk import PART_CLIPS, start

pytestmark = pytest.mark.slow

FEW = ["dataset.generate.speakers=6", "dataset.generate.sentences=3"]
TRAIN = [*FEW, "loader.batch_size=12", "trainer=cosine", "trainer.max_epochs=4"]
STEPS, EPOCH_STEPS = 24, 6
STUDY = [*FEW, "name=grid", "split=kfold", "split.folds=3", "study.models=[cnn]"]
STUDY += ["study.folds=[0,1]", "study.seeds=[0,1]", "trainer.max_epochs=2", "loader.batch_size=24"]
FILES = ("predictions.csv", "metrics.json", "history.csv", "split.csv")
POLL_SECONDS = 0.001
PATIENCE_SECONDS = 300


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test that takes `seed` as often as --kills requires, or a fraction of that."""
    if "seed" in metafunc.fixturenames:
        fraction = getattr(metafunc.function, "fraction", 1)
        kills = max(1, round(metafunc.config.getoption("--kills") * fraction))
        metafunc.parametrize("seed", range(kills))


def finish(process: ForkServerProcess, notes: Path) -> None:
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0, Path(f"{notes}.log").read_text()


def times_in(notes: Path) -> list[float]:
    """Return the times of all steps, or decoded clips, of all processes."""
    return [float(line) for line in notes.read_text().split()] if notes.exists() else []


def wait(reached: Callable[[], object], process: ForkServerProcess) -> None:
    """Wait for a condition, or for the end of the process."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.is_alive() and not reached():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()


def partials(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.partial"))


@dataclass(frozen=True)
class Reference:
    """A job without a kill, and the times of its steps."""

    folder: Path
    started: float
    times: list[float]
    ended: float

    def random_time(self, rng: random.Random) -> tuple[int, float]:
        """Return a random time of the job: the steps before it, and the seconds since the last.

        All intervals between steps are equally likely; the one after the last counts three times.
        """
        done = min(rng.randrange(len(self.times) + 3), len(self.times))
        marks = [self.started, *self.times, self.ended]
        return done, rng.uniform(0, marks[done + 1] - marks[done])


def run_reference(
    folder: Path, notes: Path, is_started: Callable[[], object], *words: str
) -> Reference:
    """Run a command without a kill."""
    process = start(notes, *words)
    wait(is_started, process)
    started = time.time()
    finish(process, notes)
    return Reference(folder, started, times_in(notes), time.time())


# --- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def trained(root: Path) -> Reference:
    folder = root / "whole"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    return run_reference(folder, root / "whole.notes", (folder / "config.yaml").exists, *words)


def weights(folder: Path, name: str) -> str:
    """Return a hash of the tensors of a checkpoint: weights, their averages, optimizer state."""
    digest = hashlib.sha256()
    checkpoint = read_checkpoint(folder / "checkpoints" / name)
    parts = [checkpoint["state_dict"], checkpoint["current_model_state"]]
    parts += checkpoint["optimizer_states"][0]["state"].values()
    for part in parts:
        for key, value in part.items():
            digest.update(str(key).encode() + torch.as_tensor(value).numpy().tobytes())
    return digest.hexdigest()


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the TensorBoard curves, by name, without times and without final metrics.

    Final metrics, at step 0, are written again where the test is repeated.
    """
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    names = [name for name in events.Tags()["scalars"] if not name.startswith("epoch/")]
    return {
        name: [
            (each.step, each.value) for each in events.Scalars(name) if "lr" in name or each.step
        ]
        for name in names
    }


def same_run(one: Path, other: Path) -> bool:
    files = all((one / name).read_bytes() == (other / name).read_bytes() for name in FILES)
    checkpoints = ("best.ckpt", "last.ckpt")
    tensors = all(weights(one, name) == weights(other, name) for name in checkpoints)
    return files and tensors and curves(one) == curves(other)


def resumed_step(folder: Path) -> int:
    found = re.findall(r"resumed at epoch \d+, step (\d+)", (folder / "train.log").read_text())
    return int(found[-1])


def test_killed_training_is_resumed_to_the_same_bits(
    seed: int, trained: Reference, root: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    every_steps = rng.choice([None, 2])
    folder, notes = tmp_path / "run", tmp_path / "notes"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    if every_steps:
        words.append(f"checkpoint.every_steps={every_steps}")
    process = start(notes, *words)
    steps, seconds = trained.random_time(rng)
    wait((folder / "config.yaml").exists, process)
    wait(lambda: len(times_in(notes)) >= steps, process)
    if seed % 2:  # within the write of a checkpoint
        wait(lambda: partials(folder / "checkpoints"), process)
        seconds = rng.uniform(0, 0.08)
    time.sleep(seconds)
    kill(process)
    done, left = len(times_in(notes)), partials(folder)
    state = sorted(path.name for path in (folder / "checkpoints").glob("*.ckpt"))
    finished = Run(folder).finished
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}"), notes)
    total, resumed = len(times_in(notes)), resumed_step(folder) if not finished else STEPS
    print(
        f"\ntrain seed {seed}: every_steps={every_steps}, killed after step {done}, "
        f"partial files {left}, kept {state}, resumed at step {resumed}, "
        f"repeated {total - STEPS}"
    )
    assert total - done == STEPS - resumed, "only the steps after the checkpoint are repeated"
    assert total - STEPS <= (every_steps or EPOCH_STEPS), "at most one interval of checkpoints"
    assert same_run(folder, trained.folder)
    assert not partials(folder)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_soon_and_no_step_is_lost(
    signum: int, trained: Reference, root: Path, tmp_path: Path
) -> None:
    folder, notes = tmp_path / "run", tmp_path / "notes"
    process = start(notes, "train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}")
    wait(lambda: len(times_in(notes)) >= 8, process)
    os.kill(process.pid or 0, signum)
    signalled = time.monotonic()
    process.join(PATIENCE_SECONDS)
    print(f"\n{signal.Signals(signum).name}: ended after {time.monotonic() - signalled:.2f} s")
    assert process.exitcode == 128 + signum
    done = len(times_in(notes))
    assert done < STEPS
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}"), notes)
    assert resumed_step(folder) == done
    assert len(times_in(notes)) == STEPS
    assert same_run(folder, trained.folder)


def test_a_run_requeued_by_slurm_is_resumed(trained: Reference, root: Path, tmp_path: Path) -> None:
    """SLURM sends SIGUSR1 before the time limit; then `scontrol requeue`, SIGTERM, a new start."""
    folder, notes, requests = tmp_path / "run", tmp_path / "notes", tmp_path / "requests"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {requests}\n')
    scontrol.chmod(0o755)
    slurm = {f"SLURM_{name}": "0" for name in ("PROCID", "LOCALID", "NODEID")}
    slurm |= {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train"}
    slurm["PATH"] = f"{scontrol.parent}:{os.environ['PATH']}"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    process = start(notes, *words, **slurm)
    wait(lambda: len(times_in(notes)) >= 8, process)
    os.kill(process.pid or 0, signal.SIGUSR1)
    wait(lambda: requests.exists() and requests.read_text(), process)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(PATIENCE_SECONDS)
    assert requests.read_text() == "requeue 77\n"
    assert process.exitcode == 128 + signal.SIGTERM
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}", **slurm), notes)
    assert len(times_in(notes)) == STEPS
    assert not list(folder.glob("hpc_ckpt_*")), "Lightning would load it instead of the best epoch"
    assert same_run(folder, trained.folder)


# --- prepare -------------------------------------------------------------------------------------


def cached(folder: Path) -> dict[str, list[bytes]]:
    """Return the lines of every file of the finished caches, by path.

    Headers that are read again are appended: the order of lines may differ.
    """
    return {
        str(path.relative_to(folder)): sorted(path.read_bytes().splitlines())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".partial")
    }


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("prepared")
    words = ["prepare", "dataset=cs334", f"data_root={archive}", f"cache_dir={folder / 'cache'}"]
    return run_reference(folder / "cache", folder / "notes", (folder / "cache").exists, *words)


def test_killed_prepare_is_continued_to_the_same_cache(
    seed: int, prepared: Reference, archive: Path, tmp_path: Path
) -> None:
    rng = random.Random(100 + seed)
    folder, notes = tmp_path / "cache", tmp_path / "notes"
    words = ["prepare", "dataset=cs334", f"data_root={archive}", f"cache_dir={folder}"]
    clips, seconds = prepared.random_time(rng)
    process = start(notes, *words)
    wait(folder.exists, process)
    wait(lambda: len(times_in(notes)) >= clips, process)
    time.sleep(seconds)
    kill(process)
    done, left = len(times_in(notes)), partials(folder)
    finish(start(notes, *words), notes)
    repeated = len(times_in(notes)) - len(prepared.times)
    print(f"\nprepare seed {seed}: killed after clip {done}, partial {left}, repeated {repeated}")
    assert repeated <= PART_CLIPS
    assert cached(folder) == cached(prepared.folder)


test_killed_prepare_is_continued_to_the_same_cache.fraction = 0.5  # type: ignore[attr-defined]


# --- study ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studied(root: Path) -> Reference:
    folder = root / "studied" / "studies" / "grid"
    words = ["study", *STUDY, f"output_root={root / 'studied'}", f"cache_dir={root / 'cache'}"]
    return run_reference(folder, root / "studied.notes", (folder / "cells").exists, *words)


def test_killed_study_is_continued_to_the_same_table(
    seed: int, studied: Reference, root: Path, tmp_path: Path
) -> None:
    rng = random.Random(200 + seed)
    folder, notes = tmp_path / "studies" / "grid", tmp_path / "notes"
    words = ["study", *STUDY, f"output_root={tmp_path}", f"cache_dir={root / 'cache'}"]
    steps, seconds = studied.random_time(rng)
    process = start(notes, *words)
    wait((folder / "cells").exists, process)
    wait(lambda: len(times_in(notes)) >= steps, process)
    time.sleep(seconds)
    kill(process)
    done, left = len(times_in(notes)), partials(tmp_path)
    cells = sum(run.finished for run in find_runs(folder / "cells"))
    finish(start(notes, *words), notes)
    repeated = len(times_in(notes)) - len(studied.times)
    print(
        f"\nstudy seed {seed}: killed after step {done} with {cells} cells done, "
        f"partial files {left}, repeated {repeated}"
    )
    assert repeated <= len(studied.times) // 8, "an epoch of one cell"
    tables = [
        read_table(each / "table.csv").drop(columns="seconds") for each in (folder, studied.folder)
    ]
    assert tables[0].equals(tables[1])
    for cell in (studied.folder / "cells").glob("*/predictions.csv"):
        again = folder / "cells" / cell.parent.name
        assert all(
            (again / name).read_bytes() == (cell.parent / name).read_bytes() for name in FILES
        )


test_killed_study_is_continued_to_the_same_table.fraction = 0.25  # type: ignore[attr-defined]
