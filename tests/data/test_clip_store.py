"""Clip store: gathered batches and the location of the samples."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotion.data import clip_store as stores
from emotion.data.clip_store import ClipStore, Place
from emotion.errors import ConfigError
from tests.support.clip_stores import write_store

CPU = torch.device("cpu")
LENGTHS = (5, 1, 40, 17, 40, 3)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(-32_768, 32_768, length) for length in LENGTHS]


@pytest.fixture(scope="module")
def store(clips: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    return write_store(tmp_path_factory.mktemp("store"), clips)


@settings(max_examples=30)
@given(rows=st.lists(st.integers(0, len(LENGTHS) - 1), min_size=1, max_size=9))
def test_a_gathered_clip_is_its_slice_of_the_file(
    store: ClipStore, clips: list[np.ndarray], rows: list[int]
) -> None:
    stored = store.gather(torch.tensor(rows))
    assert stored.samples.shape == (len(rows), max(LENGTHS[row] for row in rows))
    assert stored.length.tolist() == [LENGTHS[row] for row in rows]
    for samples, row in zip(stored.samples, rows, strict=True):
        np.testing.assert_array_equal(samples[: LENGTHS[row]], clips[row])


@settings(max_examples=30)
@given(rows=st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_clips_of_equal_shape_keep_their_shape(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int]
) -> None:
    images = np.random.default_rng(1).integers(-99, 99, (5, 1, 3, 4))
    store = write_store(tmp_path_factory.mktemp("images"), [image.ravel() for image in images])
    store.shape = (1, 3, 4)
    np.testing.assert_array_equal(store.gather(torch.tensor(rows)).samples, images[rows])


def test_values_are_samples_times_scale_plus_shift(store: ClipStore) -> None:
    stored = store.gather(torch.tensor([3, 0]))
    scale, shift = store.scale[[3, 0], None], store.shift[[3, 0], None]
    torch.testing.assert_close(stored.values(), stored.samples.float() * scale + shift)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_batches_are_the_same_from_every_place(
    clips: list[np.ndarray], tmp_path: Path, dtype: str
) -> None:
    rows = torch.tensor([2, 5, 1, 2])
    places: tuple[Place, ...] = ("disk", "memory", "device")
    batches = [write_store(tmp_path, clips, dtype).put(place, CPU).gather(rows) for place in places]
    for stored in batches[1:]:
        for mine, first in zip(stored, batches[0], strict=True):
            assert torch.equal(mine, first)


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_pickled_store_has_no_samples(tmp_path: Path, place: Place) -> None:
    store = write_store(tmp_path, [np.arange(20_000), np.arange(30_000)]).put(place, CPU)
    first = store.gather(torch.tensor([1, 0]))
    pickled = pickle.dumps(store)
    assert len(pickled) < 4_000
    again: Tensor = pickle.loads(pickled).gather(torch.tensor([1, 0])).samples
    assert torch.equal(again, first.samples)


@pytest.mark.parametrize(
    ("free", "device_free", "device", "chosen"),
    [
        (10_000_000, 0, "cpu", "memory"),
        (100, 0, "cpu", "disk"),
        (10_000_000, 10_000_000, "meta", "device"),
        (10_000_000, 100, "meta", "memory"),
        (100, 100, "meta", "disk"),
    ],
)
def test_auto_takes_the_fastest_place_with_room(
    clips: list[np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    device_free: int,
    device: str,
    chosen: str,
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(stores, "free_device_bytes", lambda _: device_free)
    assert write_store(tmp_path, clips).put("auto", torch.device(device)).place == chosen


def test_an_unknown_place_is_named(store: ClipStore) -> None:
    with pytest.raises(
        ConfigError, match=r"loader\.place='ram' is not valid: choose auto, device, memory or"
    ):
        store.put("ram", CPU)  # type: ignore[arg-type]
