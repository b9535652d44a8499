"""Kills at random moments, on a slow disk: what goes on ends in the bits of what was never killed.

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
    """Give a test that takes `seed` as many as --kills asks for, or its share of them."""
    if "seed" in metafunc.fixturenames:
        share = getattr(metafunc.function, "share", 1)
        kills = max(1, round(metafunc.config.getoption("--kills") * share))
        metafunc.parametrize("seed", range(kills))


def finish(process: ForkServerProcess, notes: Path) -> None:
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0, Path(f"{notes}.log").read_text()


def noted(notes: Path) -> list[float]:
    """Return when each step was taken or each clip decoded, over all processes."""
    return [float(line) for line in notes.read_text().split()] if notes.exists() else []


def wait(reached: Callable[[], object], process: ForkServerProcess) -> None:
    """Wait until something is so, or the process is at its end."""
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
class Whole:
    """What was never killed, and how far it had come when."""

    folder: Path
    begun: float
    times: list[float]
    ended: float

    def moment(self, rng: random.Random) -> tuple[int, float]:
        """Return a moment of the work: the steps done before it, and seconds since the last.

        Each gap between two steps is as likely as any other; what follows the last counts thrice.
        """
        done = min(rng.randrange(len(self.times) + 3), len(self.times))
        marks = [self.begun, *self.times, self.ended]
        return done, rng.uniform(0, marks[done + 1] - marks[done])


def measure(folder: Path, notes: Path, begun: Callable[[], object], *words: str) -> Whole:
    process = start(notes, *words)
    wait(begun, process)
    moment = time.time()
    finish(process, notes)
    return Whole(folder, moment, noted(notes), time.time())


# --- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def trained(root: Path) -> Whole:
    folder = root / "whole"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    return measure(folder, root / "whole.notes", (folder / "config.yaml").exists, *words)


def weights(folder: Path, name: str) -> str:
    """Return a hash of a checkpoint's tensors: weights, their averages, the optimizer's."""
    digest = hashlib.sha256()
    checkpoint = read_checkpoint(folder / "checkpoints" / name)
    parts = [checkpoint["state_dict"], checkpoint["current_model_state"]]
    parts += checkpoint["optimizer_states"][0]["state"].values()
    for part in parts:
        for key, value in part.items():
            digest.update(str(key).encode() + torch.as_tensor(value).numpy().tobytes())
    return digest.hexdigest()


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return TensorBoard's curves, by name; not how long things took, nor the final figures.

    Those, beside the hyperparameters at step 0, are written again where the test is done again.
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


def test_killed_training_goes_on_to_the_same_bits(
    seed: int, trained: Whole, root: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    every_steps = rng.choice([None, 2])
    folder, notes = tmp_path / "run", tmp_path / "notes"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    if every_steps:
        words.append(f"checkpoint.every_steps={every_steps}")
    process = start(notes, *words)
    steps, seconds = trained.moment(rng)
    wait((folder / "config.yaml").exists, process)
    wait(lambda: len(noted(notes)) >= steps, process)
    if seed % 2:  # within the write of a checkpoint
        wait(lambda: partials(folder / "checkpoints"), process)
        seconds = rng.uniform(0, 0.08)
    time.sleep(seconds)
    kill(process)
    done, left = len(noted(notes)), partials(folder)
    state = sorted(path.name for path in (folder / "checkpoints").glob("*.ckpt"))
    finished = (folder / "report.html").exists()
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}"), notes)
    total, onward = len(noted(notes)), resumed_step(folder) if not finished else STEPS
    print(
        f"\ntrain seed {seed}: every_steps={every_steps}, killed after step {done}, "
        f"half-written {left or 'nothing'}, kept {state}, went on from step {onward}, "
        f"redone {total - STEPS}"
    )
    assert total - done == STEPS - onward, "only what the checkpoint lacks is done"
    assert total - STEPS <= (every_steps or EPOCH_STEPS), "no more than since the checkpoint"
    assert same_run(folder, trained.folder)
    assert not partials(folder)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_soon_and_loses_no_step(
    signum: int, trained: Whole, root: Path, tmp_path: Path
) -> None:
    folder, notes = tmp_path / "run", tmp_path / "notes"
    process = start(notes, "train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}")
    wait(lambda: len(noted(notes)) >= 8, process)
    os.kill(process.pid or 0, signum)
    signalled = time.monotonic()
    process.join(PATIENCE_SECONDS)
    print(f"\n{signal.Signals(signum).name}: at its end after {time.monotonic() - signalled:.2f} s")
    assert process.exitcode == 128 + signum
    done = len(noted(notes))
    assert done < STEPS
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}"), notes)
    assert resumed_step(folder) == done
    assert len(noted(notes)) == STEPS
    assert same_run(folder, trained.folder)


def test_slurm_requeues_through_lightning_and_the_run_goes_on(
    trained: Whole, root: Path, tmp_path: Path
) -> None:
    """What SLURM does: SIGUSR1 before the time is up, `scontrol requeue`, SIGTERM, a new start."""
    folder, notes, asked = tmp_path / "run", tmp_path / "notes", tmp_path / "asked"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
    scontrol.chmod(0o755)
    slurm = {f"SLURM_{name}": "0" for name in ("PROCID", "LOCALID", "NODEID")}
    slurm |= {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train"}
    slurm["PATH"] = f"{scontrol.parent}:{os.environ['PATH']}"
    words = ["train", *TRAIN, f"output_root={root}", f"hydra.run.dir={folder}"]
    process = start(notes, *words, **slurm)
    wait(lambda: len(noted(notes)) >= 8, process)
    os.kill(process.pid or 0, signal.SIGUSR1)
    wait(lambda: asked.exists() and asked.read_text(), process)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(PATIENCE_SECONDS)
    assert asked.read_text() == "requeue 77\n"
    assert process.exitcode == 128 + signal.SIGTERM
    finish(start(notes, "train", f"output_root={root}", f"resume={folder}", **slurm), notes)
    assert len(noted(notes)) == STEPS
    assert not list(folder.glob("hpc_ckpt_*")), "Lightning would take it for the best epoch"
    assert same_run(folder, trained.folder)


# --- prepare -------------------------------------------------------------------------------------


def cached(folder: Path) -> dict[str, list[bytes]]:
    """Return the lines of every file of the finished caches, by path.

    A second look at the headers appends what it opened again: their order is no matter.
    """
    return {
        str(path.relative_to(folder)): sorted(path.read_bytes().splitlines())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".partial")
    }


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("prepared")
    words = ["prepare", "dataset=cs334", f"data_root={archive}", f"cache_dir={folder / 'cache'}"]
    return measure(folder / "cache", folder / "notes", (folder / "cache").exists, *words)


def test_killed_prepare_goes_on_to_the_same_cache(
    seed: int, prepared: Whole, archive: Path, tmp_path: Path
) -> None:
    rng = random.Random(100 + seed)
    folder, notes = tmp_path / "cache", tmp_path / "notes"
    words = ["prepare", "dataset=cs334", f"data_root={archive}", f"cache_dir={folder}"]
    clips, seconds = prepared.moment(rng)
    process = start(notes, *words)
    wait(folder.exists, process)
    wait(lambda: len(noted(notes)) >= clips, process)
    time.sleep(seconds)
    kill(process)
    done, left = len(noted(notes)), partials(folder)
    finish(start(notes, *words), notes)
    redone = len(noted(notes)) - len(prepared.times)
    print(f"\nprepare seed {seed}: killed after clip {done}, left {left}, redone {redone}")
    assert redone <= PART_CLIPS
    assert cached(folder) == cached(prepared.folder)


test_killed_prepare_goes_on_to_the_same_cache.share = 0.5  # type: ignore[attr-defined]


# --- study ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studied(root: Path) -> Whole:
    folder = root / "studied" / "studies" / "grid"
    words = ["study", *STUDY, f"output_root={root / 'studied'}", f"cache_dir={root / 'cache'}"]
    return measure(folder, root / "studied.notes", (folder / "cells").exists, *words)


def test_killed_study_goes_on_to_the_same_table(
    seed: int, studied: Whole, root: Path, tmp_path: Path
) -> None:
    rng = random.Random(200 + seed)
    folder, notes = tmp_path / "studies" / "grid", tmp_path / "notes"
    words = ["study", *STUDY, f"output_root={tmp_path}", f"cache_dir={root / 'cache'}"]
    steps, seconds = studied.moment(rng)
    process = start(notes, *words)
    wait((folder / "cells").exists, process)
    wait(lambda: len(noted(notes)) >= steps, process)
    time.sleep(seconds)
    kill(process)
    done, left = len(noted(notes)), partials(tmp_path)
    cells = len(list((folder / "cells").glob("*/report.html")))
    finish(start(notes, *words), notes)
    redone = len(noted(notes)) - len(studied.times)
    print(
        f"\nstudy seed {seed}: killed after step {done} with {cells} cells done, "
        f"half-written {left or 'nothing'}, redone {redone}"
    )
    assert redone <= len(studied.times) // 8, "an epoch of one cell"
    tables = [
        read_table(each / "table.csv").drop(columns="seconds") for each in (folder, studied.folder)
    ]
    assert tables[0].equals(tables[1])
    for cell in (studied.folder / "cells").glob("*/predictions.csv"):
        again = folder / "cells" / cell.parent.name
        assert all(
            (again / name).read_bytes() == (cell.parent / name).read_bytes() for name in FILES
        )


test_killed_study_goes_on_to_the_same_table.share = 0.25  # type: ignore[attr-defined]
