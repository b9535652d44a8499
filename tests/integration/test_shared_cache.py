"""Several processes build one cache: simultaneous, killed, and with changing clips."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from emotion.audio.decode import Wave, decode
from emotion.audio.standardise import Standardiser
from emotion.data.corpora.index import build_index
from emotion.data.waveform_cache import open_waveform_cache
from emotion.errors import CacheError
from tests.conftest import build_dataset
from tests.support.archive import write_clip

pytestmark = pytest.mark.slow

SHORT = Standardiser(8_000, duration_ms=200)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """One folder per class, 300 clips in all: more than one part of a cache."""
    for number in range(300):
        name = f"{('happy', 'sad')[number % 2]}/{number:03}.wav"
        write_clip(tmp_path / "clips" / name, 0.1, seed=number)
    return tmp_path / "clips"


def prepare(clips: Path, output: Path) -> subprocess.Popen[str]:
    words = ["dataset=folder", f"dataset.root={clips}", f"output_root={output}"]
    command = [sys.executable, "-m", "emotion", "prepare", *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[str]) -> tuple[list[str], bool]:
    """Return the output of a successful process without its time, and whether it decoded."""
    printed, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    lines = [line for line in printed.splitlines() if " h, in " not in line]
    return lines, "decoding: 300 clips" in errors


def cache_of(output: Path) -> Path:
    """Return the only complete cache; no partial cache is beside it."""
    names = {path.name for path in (output / "cache" / "waves").iterdir()}
    (key,) = (name for name in names if not name.endswith(".lock"))
    assert names <= {key, f"{key}.lock"}
    return output / "cache" / "waves" / key


def test_four_processes_make_one_build_and_all_read_it_correctly(
    clips: Path, tmp_path: Path
) -> None:
    alone = finish(prepare(clips, tmp_path / "alone"))
    four = [prepare(clips, tmp_path / "shared") for _ in range(4)]
    found = [finish(process) for process in four]
    assert sum(built for _, built in found) == 1
    expected = [
        line.replace(str(tmp_path / "alone"), str(tmp_path / "shared")) for line in alone[0]
    ]
    assert [lines for lines, _ in found] == [expected] * 4
    shared, wanted = cache_of(tmp_path / "shared"), cache_of(tmp_path / "alone")
    for name in ("samples.bin", "index.csv", "skipped.csv", "about.json"):
        assert (shared / name).read_bytes() == (wanted / name).read_bytes()


def test_another_process_continues_the_build_of_a_killed_one(clips: Path, tmp_path: Path) -> None:
    finish(prepare(clips, tmp_path / "alone"))
    first = prepare(clips, tmp_path / "shared")
    deadline = time.monotonic() + 200
    while not list((tmp_path / "shared").glob("cache/waves/*.partial/samples.bin")):
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(first.pid, signal.SIGSTOP)  # keeps the lock without progress
    others = [prepare(clips, tmp_path / "shared") for _ in range(3)]
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert sum(built for _, built in map(finish, others)) == 1
    shared, wanted = cache_of(tmp_path / "shared"), cache_of(tmp_path / "alone")
    assert (shared / "samples.bin").read_bytes() == (wanted / "samples.bin").read_bytes()


def test_a_corpus_that_changes_while_it_is_read_never_gives_a_wrong_cache(
    tmp_path: Path,
) -> None:
    root, coming = tmp_path / "clips", tmp_path / "coming.wav"
    names = [f"{('happy', 'sad')[number % 2]}/{number:02}.wav" for number in range(12)]
    waves: dict[tuple[str, int], Wave] = {}

    def replace(seed: int) -> None:
        """Replace one clip and record the new one by its modification time."""
        name = names[seed % len(names)]
        write_clip(coming, 0.1 + seed % 7 * 0.01, seed=seed)
        waves[name, coming.stat().st_mtime_ns] = SHORT(*decode(coming))
        coming.replace(root / name)

    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        replace(seed)
    stop = threading.Event()

    def change() -> None:
        pauses = itertools.cycle([0.01] * 20 + [1.0])  # sometimes long enough for a build
        for seed, pause in enumerate(pauses, 100):
            if stop.wait(pause):
                return
            replace(seed)

    dataset = build_dataset("dataset=folder", f"dataset.root={root}")
    changer = threading.Thread(target=change)
    changer.start()
    built = refused = 0
    try:
        while min(built, refused) < 3:
            table = build_index(dataset, tmp_path / "index").table
            try:
                cache = open_waveform_cache(table, SHORT, root=root, folder=tmp_path / "waves")
            except CacheError as err:
                assert "changed while it was read. Run again" in str(err)  # noqa: PT017
                refused += 1
                continue
            built += 1
            times = dict(zip(table["path"], table["mtime_ns"], strict=True))
            for row, path in enumerate(cache.index["path"]):
                np.testing.assert_allclose(cache.wave(row), waves[path, times[path]], atol=1e-4)
    finally:
        stop.set()
        changer.join()
