"""Waveform cache: contents, keys, and interrupted builds."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion.audio.clip_statistics import measure_clip
from emotion.audio.decode import Wave, decode
from emotion.audio.standardise import Standardiser
from emotion.data import waveform_cache as caches
from emotion.data import waveform_cache_worker as worker
from emotion.data.waveform_cache import open_waveform_cache
from emotion.errors import CacheError
from tests.support.archive import write_clip
from tests.support.cached_clips import FIXED, OWN, open_of, table_of, write_clips


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_clips(tmp_path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from here on."""
    names: list[str] = []

    def counted(path: Path, **settings: Any) -> tuple[Wave, int]:
        names.append(path.name)
        return decode(path, **settings)

    monkeypatch.setattr(worker, "decode", counted)
    return names


@pytest.mark.parametrize("standardiser", [FIXED, OWN], ids=["fixed", "own"])
def test_every_clip_equals_its_standardised_file(root: Path, standardiser: Standardiser) -> None:
    cache = open_of(root, standardiser)
    assert list(cache.index["path"]) == [f"{seed:02}.wav" for seed in range(10)]
    for row, entry in enumerate(cache.index.itertuples()):
        wave, rate = decode(root / str(entry.path))
        wanted = standardiser(wave, rate)
        assert len(cache.wave(row)) == len(wanted)
        np.testing.assert_allclose(cache.wave(row), wanted, atol=np.abs(wanted).max() / 65_000)
        assert entry.audio_hash == measure_clip(wave, rate).audio_hash
        assert entry.level_db == measure_clip(wave, rate).level_db


def test_float32_storage_is_exact(root: Path) -> None:
    standardiser = Standardiser(8_000, duration_ms=200, storage="float32")
    cache = open_of(root, standardiser)
    np.testing.assert_array_equal(cache.wave(3), standardiser(*decode(root / "03.wav")))


def test_the_samples_end_with_zeros_for_one_clip(root: Path) -> None:
    cache = open_of(root, OWN)
    longest, total = cache.index["length"].max(), cache.index["length"].sum()
    samples = cache.samples()
    assert len(samples) == total + longest
    assert not samples[total:].any()


def test_a_second_open_opens_no_audio_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_of(root)
    monkeypatch.setattr(worker, "decode", None)  # a call would raise
    second = open_of(root)
    assert second.key == first.key
    pd.testing.assert_frame_equal(second.index, first.index)


@pytest.mark.parametrize("change", ["content", "touch", "add", "remove", "settings"])
def test_any_change_gives_another_cache(root: Path, change: str) -> None:
    first, standardiser = open_of(root), FIXED
    match change:
        case "content":
            write_clip(root / "03.wav", 0.3, seed=99)
        case "touch":
            status = (root / "03.wav").stat()
            os.utime(root / "03.wav", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        case "add":
            write_clip(root / "99.wav", seed=99)
        case "remove":
            (root / "03.wav").unlink()
        case "settings":
            standardiser = Standardiser(8_000, duration_ms=201)
    second = open_of(root, standardiser)
    assert second.key != first.key
    assert list(second.index["path"]) == list(table_of(root)["path"])


@pytest.mark.parametrize("standardiser", [FIXED, OWN])
def test_a_killed_build_is_continued_and_only_what_is_missing_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str], standardiser: Standardiser
) -> None:
    whole = open_waveform_cache(table_of(root), standardiser, root=root, folder=root / "whole")
    monkeypatch.setattr(caches, "PART_CLIPS", 4)
    killed = iter(range(6))

    def dying(path: Path, **settings: Any) -> tuple[Wave, int]:
        if next(killed) == 5:
            raise KeyboardInterrupt
        return decode(path, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "decode", dying)
        with pytest.raises(KeyboardInterrupt):
            open_waveform_cache(table_of(root), standardiser, root=root, folder=root / "cache")
    assert not (root / "cache" / whole.key).exists(), "a partial cache must not have the final name"
    decoded.clear()
    calls: list[tuple[int, int]] = []
    cache = open_waveform_cache(
        table_of(root),
        standardiser,
        root=root,
        folder=root / "cache",
        progress=lambda *n: calls.append(n),
    )
    assert decoded == [f"{seed:02}.wav" for seed in range(4, 10)]
    assert calls == [(8, 10), (10, 10)]
    assert cache.samples_file.read_bytes() == whole.samples_file.read_bytes()
    assert sorted(path.name for path in cache.folder.iterdir()) == [
        ".lock", "about.json", "index.csv", "samples.bin", "skipped.csv"
    ]  # fmt: skip


def test_a_build_killed_before_its_last_rename_is_only_renamed(
    root: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            open_of(root)
    decoded.clear()
    assert len(open_of(root).index) == 10
    assert decoded == []


def _open_and_log(root: Path, barrier: "multiprocessing.synchronize.Barrier") -> None:
    def logged(path: Path, **settings: Any) -> tuple[Wave, int]:
        with (root / "decoded.log").open("a") as log:
            log.write(f"{path.name}\n")
        return decode(path, **settings)

    worker.decode = logged
    barrier.wait(60)
    cache = open_of(root)
    (root / f"{os.getpid()}.bytes").write_bytes(cache.samples_file.read_bytes())


def test_two_simultaneous_processes_make_one_build(root: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    both = [spawn.Process(target=_open_and_log, args=(root, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert sorted((root / "decoded.log").read_text().split()) == list(table_of(root)["path"])
    first, second = (path.read_bytes() for path in root.glob("*.bytes"))
    assert first == second


@pytest.mark.slow
def test_many_processes_build_the_same_cache_as_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = open_of(root)
    monkeypatch.setattr(caches, "PART_CLIPS", 3)
    monkeypatch.setattr(caches, "SINGLE_PROCESS_CLIPS", 0)
    together = open_waveform_cache(table_of(root), FIXED, root=root, folder=root / "jobs", jobs=2)
    assert together.samples_file.read_bytes() == alone.samples_file.read_bytes()
    pd.testing.assert_frame_equal(together.index, alone.index)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("samples.bin", lambda path: os.truncate(path, 100)),
        ("samples.bin", Path.unlink),
        ("index.csv", Path.unlink),
        ("index.csv", lambda path: path.write_text("path,offset\na,b\n")),
        ("about.json", lambda path: path.write_text("{")),
        ("about.json", lambda path: path.write_text("{}")),
    ],
)
def test_a_damaged_cache_is_rejected_with_the_next_step(
    root: Path, name: str, damage: Callable[[Path], object]
) -> None:
    folder = open_of(root).folder
    damage(folder / name)
    with pytest.raises(CacheError, match=rf"{folder} is damaged.*Delete that folder, run again"):
        open_of(root)


def test_unreadable_clips_are_skipped_with_their_reason(root: Path) -> None:
    (root / "03.wav").write_text("no audio")
    cache = open_of(root)
    assert list(cache.skipped["path"]) == ["03.wav"]
    assert cache.skipped["reason"][0].startswith("is not readable audio")
    np.testing.assert_allclose(
        cache.wave(3), FIXED(*decode(root / "04.wav")), atol=1e-5
    )  # the rows after it move up


def test_a_cache_without_readable_clips_is_an_error_that_names_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(CacheError, match=r"none of the clips.*a\.wav is not readable audio"):
        open_of(tmp_path)
    assert not list((tmp_path / "cache").glob("*.partial")), "no partial cache is left"
