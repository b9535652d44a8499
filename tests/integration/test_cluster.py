"""A Dask cluster makes the cache that this machine makes, also where a worker dies."""

import os
import signal
import threading
from pathlib import Path

import pytest
from distributed import LocalCluster

from emotion.cli.main import run

pytestmark = pytest.mark.slow

CLIPS = ["dataset.generate.speakers=10", "dataset.generate.sentences=12"]


def prepare(root: Path, *more: str) -> dict[str, bytes]:
    """Return the files of the waveform cache that `emotion prepare` makes."""
    assert run(["prepare", f"output_root={root}", *CLIPS, *more]) == 0
    (folder,) = [path for path in (root / "cache" / "waves").iterdir() if path.is_dir()]
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("preprocessing", ["cs334", "speech_16k"])
def test_a_killed_worker_costs_no_byte(preprocessing: str, tmp_path: Path) -> None:
    chosen = f"preprocessing={preprocessing}"
    alone = prepare(tmp_path / "alone", chosen)
    # The same files, times of change included: they are part of the cache's name.
    (tmp_path / "cluster" / "cache").mkdir(parents=True)
    (tmp_path / "alone" / "cache" / "synthetic").rename(tmp_path / "cluster/cache/synthetic")
    parts = tmp_path / "cluster" / "cache" / "waves"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as here:
        victim = here.workers[0].pid

        def kill_once_it_works() -> None:
            while not list(parts.glob("*.partial/part-*.csv")):
                if over.wait(0.01):
                    return
            os.kill(victim, signal.SIGKILL)
            killed.set()

        over, killed = threading.Event(), threading.Event()
        killer = threading.Thread(target=kill_once_it_works)
        killer.start()
        shared = prepare(tmp_path / "cluster", chosen, f"scheduler={here.scheduler_address}")
        over.set()
        killer.join()
        assert any("build_part" in name for name in here.scheduler.task_prefixes)
    assert killed.is_set(), "the cache was made before a worker could be killed"
    assert shared == alone


def test_a_scheduler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("emotion.data.dask_cluster.SECONDS", 0.5)
    words = [f"output_root={tmp_path}", "scheduler=tcp://127.0.0.1:9"]
    assert run(["prepare", *words]) == 1
    assert "no Dask scheduler answers at scheduler=tcp://127.0.0.1:9" in capsys.readouterr().err
