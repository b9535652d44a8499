import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.audio.clip_statistics import measure
from emotion.audio.decode import Wave, decode
from emotion.audio.standardise import Standardiser
from emotion.data import waveform_cache as caches
from emotion.data import waveform_cache_worker as parts
from emotion.data.waveform_cache import Cache, open_cache
from emotion.errors import CacheError
from tests.support.archive import write_clip

FIXED = Standardiser(8_000, duration_ms=200)
OWN = Standardiser(8_000, max_duration_ms=900, padding="zero")


def write_clips(root: Path, count: int = 10) -> Path:
    for seed in range(count):
        write_clip(root / f"{seed:02}.wav", 0.1 + 0.02 * seed, seed=seed)
    return root


def table_of(root: Path) -> pd.DataFrame:
    files = sorted(path for path in root.iterdir() if path.suffix == ".wav")
    return pd.DataFrame(
        [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files],
        columns=["path", "size", "mtime_ns"],
    )


def open_of(root: Path, standardiser: Standardiser = FIXED) -> Cache:
    return open_cache(table_of(root), standardiser, root=root, folder=root / "cache", jobs=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_clips(tmp_path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from here on."""
    names: list[str] = []

    def counted(path: Path) -> tuple[Wave, int]:
        names.append(path.name)
        return decode(path)

    monkeypatch.setattr(parts, "decode", counted)
    return names


def on_decode(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[Path], object]) -> None:
    """Do something to a file once it was decoded."""

    def acting(path: Path) -> tuple[Wave, int]:
        try:
            return decode(path)
        finally:
            if path.name == name:
                act(path)

    monkeypatch.setattr(parts, "decode", acting)


@pytest.mark.parametrize("standardiser", [FIXED, OWN], ids=["fixed", "own"])
def test_every_clip_is_what_standardising_its_file_gives(
    root: Path, standardiser: Standardiser
) -> None:
    cache = open_of(root, standardiser)
    assert list(cache.index["path"]) == [f"{seed:02}.wav" for seed in range(10)]
    for row, entry in enumerate(cache.index.itertuples()):
        wave, rate = decode(root / str(entry.path))
        wanted = standardiser(wave, rate)
        assert len(cache.wave(row)) == len(wanted)
        np.testing.assert_allclose(cache.wave(row), wanted, atol=np.abs(wanted).max() / 65_000)
        assert entry.audio_hash == measure(wave, rate).audio_hash
        assert entry.level_db == measure(wave, rate).level_db


def test_float32_storage_is_exact(root: Path) -> None:
    standardiser = Standardiser(8_000, duration_ms=200, storage="float32")
    cache = open_of(root, standardiser)
    np.testing.assert_array_equal(cache.wave(3), standardiser(*decode(root / "03.wav")))


def test_after_the_samples_stand_zeros_for_one_clip(root: Path) -> None:
    cache = open_of(root, OWN)
    longest, total = cache.index["length"].max(), cache.index["length"].sum()
    samples = cache.samples()
    assert len(samples) == total + longest
    assert not samples[total:].any()


def test_a_second_open_opens_no_audio_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_of(root)
    monkeypatch.setattr(parts, "decode", None)  # a call would raise
    second = open_of(root)
    assert second.key == first.key
    pd.testing.assert_frame_equal(second.index, first.index)


@pytest.mark.parametrize("change", ["content", "touch", "add", "remove", "settings"])
def test_whatever_changes_gives_another_cache(root: Path, change: str) -> None:
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
    whole = open_cache(table_of(root), standardiser, root=root, folder=root / "whole")
    monkeypatch.setattr(caches, "PART_CLIPS", 4)
    killed = iter(range(6))

    def dying(path: Path) -> tuple[Wave, int]:
        if next(killed) == 5:
            raise KeyboardInterrupt
        return decode(path)

    with monkeypatch.context() as patch:
        patch.setattr(parts, "decode", dying)
        with pytest.raises(KeyboardInterrupt):
            open_cache(table_of(root), standardiser, root=root, folder=root / "cache")
    assert not (root / "cache" / whole.key).exists(), "a half-built cache must not look whole"
    decoded.clear()
    told: list[tuple[int, int]] = []
    cache = open_cache(
        table_of(root),
        standardiser,
        root=root,
        folder=root / "cache",
        progress=lambda *n: told.append(n),
    )
    assert decoded == [f"{seed:02}.wav" for seed in range(4, 10)]
    assert told == [(8, 10), (10, 10)]
    assert cache.samples_file.read_bytes() == whole.samples_file.read_bytes()
    assert sorted(path.name for path in cache.folder.iterdir()) == [
        "about.json", "index.csv", "samples.bin", "skipped.csv"
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


def _open_and_note(root: Path, barrier: "multiprocessing.synchronize.Barrier") -> None:
    def noted(path: Path) -> tuple[Wave, int]:
        with (root / "decoded.log").open("a") as log:
            log.write(f"{path.name}\n")
        return decode(path)

    parts.decode = noted
    barrier.wait(60)
    cache = open_of(root)
    (root / f"{os.getpid()}.seen").write_bytes(cache.samples_file.read_bytes())


def test_two_processes_at_once_make_one_build(root: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    both = [spawn.Process(target=_open_and_note, args=(root, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert sorted((root / "decoded.log").read_text().split()) == list(table_of(root)["path"])
    first, second = (path.read_bytes() for path in root.glob("*.seen"))
    assert first == second


@pytest.mark.slow
def test_many_processes_build_what_one_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = open_of(root)
    monkeypatch.setattr(caches, "PART_CLIPS", 3)
    monkeypatch.setattr(caches, "ALONE_CLIPS", 0)
    together = open_cache(table_of(root), FIXED, root=root, folder=root / "jobs", jobs=2)
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
def test_a_damaged_cache_is_refused_and_says_what_to_do(
    root: Path, name: str, damage: Callable[[Path], object]
) -> None:
    folder = open_of(root).folder
    damage(folder / name)
    with pytest.raises(CacheError, match=rf"{folder} is damaged.*Delete that folder, run again"):
        open_of(root)


@pytest.mark.parametrize("act", [lambda path: os.truncate(path, 20), Path.touch, Path.unlink])
@pytest.mark.parametrize("readable", [True, False])
def test_a_file_that_changes_while_it_is_read_stops_the_build(
    root: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object], readable: bool
) -> None:
    if not readable:
        (root / "03.wav").write_text("no audio")
    on_decode(monkeypatch, "03.wav", act)
    with pytest.raises(CacheError, match=r"03\.wav changed while it was read\. Run again"):
        open_of(root)
    monkeypatch.undo()
    assert "04.wav" in set(open_of(root).index["path"]), "the next call goes on"


def test_what_cannot_be_decoded_is_skipped_with_its_reason(root: Path) -> None:
    (root / "03.wav").write_text("no audio")
    cache = open_of(root)
    assert list(cache.skipped["path"]) == ["03.wav"]
    assert cache.skipped["reason"][0].startswith("is not readable audio")
    np.testing.assert_allclose(
        cache.wave(3), FIXED(*decode(root / "04.wav")), atol=1e-5
    )  # the rows after it move up


def test_a_cache_of_no_readable_clip_is_an_error_that_names_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(CacheError, match=r"none of the clips.*a\.wav is not readable audio"):
        open_of(tmp_path)
    assert not list((tmp_path / "cache").glob("*.partial")), "nothing half-made is left"
