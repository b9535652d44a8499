"""Feature cache: contents, keys, and interrupted builds."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from emotion.data import feature_cache as caches
from emotion.data.clip_store import ClipStore
from emotion.data.feature_cache import open_feature_cache, quantise_images
from emotion.errors import CacheError
from emotion.features.log_mel import LogMel
from emotion.features.padding import mask_padding
from tests.support.archive import voice
from tests.support.clip_stores import write_store

SETTINGS: dict[str, Any] = {
    "sample_rate": 8_000,
    "duration_ms": 300,
    "n_mels": 32,
    "frames": 16,
    "n_fft": 512,
}
CLIPS = 10


class Counted(LogMel):
    """Features that count their batches and can be interrupted before one."""

    def __init__(self, stop_at: int | None = None, **changes: Any) -> None:
        super().__init__(**(SETTINGS | changes))
        self.batches = 0
        self.stop_at = stop_at

    def forward(self, wave: Tensor, length: Tensor) -> Tensor:
        if self.batches == self.stop_at:
            raise KeyboardInterrupt
        self.batches += 1
        return super().forward(wave, length)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "BATCH_CLIPS", 4)


@pytest.fixture
def waves(tmp_path: Path) -> ClipStore:
    """Voices of 0.1 to 0.28 s, int16."""
    clips = [voice(0.1 + 0.02 * n, 8_000, seed=n, level=0.02 * n) * 32_767 for n in range(CLIPS)]
    store = write_store(tmp_path, clips)
    store.scale.fill_(2**-15)
    store.shift.zero_()
    return store


def open_of(waves: ClipStore, features: LogMel, key: str = "waves") -> ClipStore:
    return open_feature_cache(waves, features, key=key, folder=waves.file.parent / "features")


def images_of(store: ClipStore) -> Tensor:
    return store.gather(torch.arange(len(store))).values()


def test_cached_features_equal_live_ones_within_a_hundredth_of_a_db(waves: ClipStore) -> None:
    features = Counted()
    stored = waves.gather(torch.arange(CLIPS))
    live = features(mask_padding(stored.values(), stored.length), stored.length)
    cached = images_of(open_of(waves, features))
    assert cached.shape == (CLIPS, 1, 32, 16)
    torch.testing.assert_close(cached, live, atol=0.01, rtol=0)
    assert open_of(waves, features).length.tolist() == waves.length.tolist()


def test_a_second_open_computes_nothing(waves: ClipStore) -> None:
    first, features = open_of(waves, Counted()), Counted(stop_at=0)
    assert torch.equal(images_of(open_of(waves, features)), images_of(first))


@pytest.mark.parametrize(
    "change",
    [{"n_mels": 33}, {"frames": 17}, {"n_fft": 256}, {"range_db": 60.0}, {"duration_ms": 301}],
)
def test_other_settings_are_another_cache(waves: ClipStore, change: dict[str, Any]) -> None:
    first = open_of(waves, Counted())
    assert open_of(waves, Counted(**change)).file != first.file


def test_other_waves_are_another_cache(waves: ClipStore) -> None:
    assert open_of(waves, Counted(), "mine").file != open_of(waves, Counted(), "yours").file


@pytest.mark.parametrize("torn", [0, 7])
def test_a_killed_build_is_continued_after_its_last_whole_batch(
    waves: ClipStore, tmp_path: Path, torn: int
) -> None:
    whole = open_of(waves, Counted(), "whole")
    with pytest.raises(KeyboardInterrupt):
        open_of(waves, Counted(stop_at=2))
    [partial] = (tmp_path / "features").glob("*.partial")
    with (partial / "samples.bin").open("ab") as file:
        file.write(bytes(torn))
    features, calls = Counted(), list[tuple[int, int]]()
    cache = open_feature_cache(
        waves,
        features,
        key="waves",
        folder=tmp_path / "features",
        progress=lambda *n: calls.append(n),
    )
    assert features.batches == 1
    assert calls == [(10, 10)]
    assert cache.file.read_bytes() == whole.file.read_bytes()
    assert torch.equal(images_of(cache), images_of(whole))
    assert not partial.exists()


def test_two_simultaneous_opens_make_one_build(waves: ClipStore) -> None:
    both, features = threading.Barrier(2), Counted()

    def open_together(_: int) -> bytes:
        both.wait(30)
        return open_of(waves, features).file.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(open_together, range(2))
    assert first == second
    assert features.batches == 3


@pytest.mark.parametrize("name", ["samples.bin", "scales.bin"])
@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 40), Path.unlink])
def test_a_damaged_cache_is_rejected_with_the_next_step(
    waves: ClipStore, name: str, damage: Callable[[Path], object]
) -> None:
    folder = open_of(waves, Counted()).file.parent
    damage(folder / name)
    with pytest.raises(CacheError, match=rf"{folder} is damaged: {name}.*Delete that folder, run"):
        open_of(waves, Counted())


def test_a_constant_image_is_stored_exactly() -> None:
    image = torch.full((2, 1, 3, 4), -100.0)
    samples, scale, shift = quantise_images(image)
    back = samples * scale[:, None] + shift[:, None]
    assert torch.equal(back.view_as(image), image)


def test_the_quantisation_step_is_a_65534th_of_each_images_range() -> None:
    image = torch.rand(3, 1, 8, 8) * torch.tensor([80.0, 20.0, 1.0]).view(3, 1, 1, 1) - 60
    samples, scale, shift = quantise_images(image)
    error = (samples * scale[:, None] + shift[:, None] - image.flatten(1)).abs().amax(dim=1)
    assert (error <= 0.51 * scale + 4e-6).all()
    assert scale.tolist() == pytest.approx([80 / 65_534, 20 / 65_534, 1 / 65_534], rel=0.2)
