"""A Dask cluster builds the same cache as this machine, even if a worker is killed."""

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
    """Return the files of the waveform cache that `emotion prepare` builds."""
    assert run(["prepare", f"output_root={root}", *CLIPS, *more]) == 0
    (folder,) = [path for path in (root / "cache" / "waves").iterdir() if path.is_dir()]
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("preprocessing", ["cs334", "speech_16k"])
def test_a_killed_worker_does_not_change_the_cache(preprocessing: str, tmp_path: Path) -> None:
    chosen = f"preprocessing={preprocessing}"
    alone = prepare(tmp_path / "alone", chosen)
    # The same files with equal modification times, which are part of the cache's key.
    (tmp_path / "cluster" / "cache").mkdir(parents=True)
    (tmp_path / "alone" / "cache" / "synthetic").rename(tmp_path / "cluster/cache/synthetic")
    parts = tmp_path / "cluster" / "cache" / "waves"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        victim = cluster.workers[0].pid

        def kill_after_the_first_part() -> None:
            while not list(parts.glob("*.partial/part-*.csv")):
                if over.wait(0.01):
                    return
            os.kill(victim, signal.SIGKILL)
            killed.set()

        over, killed = threading.Event(), threading.Event()
        killer = threading.Thread(target=kill_after_the_first_part)
        killer.start()
        shared = prepare(tmp_path / "cluster", chosen, f"scheduler={cluster.scheduler_address}")
        over.set()
        killer.join()
        assert any("build_part" in name for name in cluster.scheduler.task_prefixes)
    assert killed.is_set(), "the cache was complete before a worker was killed"
    assert shared == alone
