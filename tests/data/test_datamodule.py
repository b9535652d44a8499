"""The datamodule: batches, subsets and statistics."""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from emotion.audio.decode import decode
from emotion.audio.standardise import Standardiser
from emotion.data import waveform_cache as caches
from emotion.data.batch import Batch, RawBatch
from emotion.data.corpora.dataset import Dataset
from emotion.data.datamodule import EmotionDataModule
from emotion.data.splits.base import SUBSETS, TRAIN, Split
from emotion.data.splits.protocols import SpeakerSplit
from emotion.errors import ConfigError
from emotion.features.log_mel import LogMel

FIXED = Standardiser(8_000, duration_ms=300)
OWN = Standardiser(8_000, max_duration_ms=300, padding="zero", trim_db=20)
KINDS = pytest.mark.parametrize("standardiser", [FIXED, OWN], ids=["fixed", "own"])
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def features() -> LogMel:
    return LogMel(8_000, 300, n_mels=32, frames=16, n_fft=512)


@pytest.fixture
def make(cs334: Dataset, cache_dir: Path) -> Any:
    """Return a function that sets up a datamodule of the tiny archive."""

    def made(standardiser: Standardiser = FIXED, **changes: Any) -> EmotionDataModule:
        settings = {"protocol": SpeakerSplit(), "batch_size": 5, "seed": 3} | changes
        data = EmotionDataModule(
            dataset=cs334, standardiser=standardiser, cache_dir=cache_dir, **settings
        )
        data.setup()
        return data

    return made


def all_loaders(data: EmotionDataModule) -> dict[str, DataLoader[RawBatch]]:
    return {subset: data.loader(data.rows[subset], shuffle=subset == TRAIN) for subset in SUBSETS}


def batches(data: EmotionDataModule, loader: Iterable[RawBatch]) -> list[Batch]:
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def rows_of(loaded: list[Batch]) -> list[int]:
    return [int(row) for batch in loaded for row in batch.row]


def all_rows(data: EmotionDataModule) -> dict[str, list[int]]:
    return {part: rows_of(batches(data, loader)) for part, loader in all_loaders(data).items()}


@KINDS
def test_batches_hold_the_right_clips_and_targets(
    make: Any, cs334: Dataset, standardiser: Standardiser
) -> None:
    data = make(standardiser)
    table = data.table
    count = 0
    for part, loader in all_loaders(data).items():
        for batch in batches(data, loader):
            assert len(batch.x) <= 5
            for x, length, target, row in zip(*batch, strict=True):
                clip = table.iloc[int(row)]
                assert clip["subset"] == part
                assert data.labels[target] == clip["emotion"]
                wave = standardiser(*decode(cs334.root / clip["path"]))
                assert length == len(wave)
                np.testing.assert_allclose(x[:length], wave, atol=1e-4 * np.abs(wave).max())
                assert not x[length:].any(), "zero beyond each clip's own length"
                count += 1
    assert count == len(table) == 44


def test_every_clip_of_a_subset_is_loaded_once_and_only_training_is_shuffled(make: Any) -> None:
    data = make()
    got = all_rows(data)
    for part in SUBSETS:
        wanted = list(np.flatnonzero(data.table["subset"] == part))
        assert sorted(got[part]) == wanted
        assert (got[part] == wanted) == (part != "train")


@pytest.mark.parametrize("place", ["memory", "disk", "device"])
@pytest.mark.parametrize("cached", [False, True])
def test_places_and_cached_features_change_no_batch(
    make: Any, features: LogMel, place: str, cached: bool
) -> None:
    plain, data = make(), make(place=place)
    data.place_on(CPU, features if cached else None)
    for mine, first in zip(data.val_dataloader(), plain.val_dataloader(), strict=True):
        got, wanted = (
            one.on_after_batch_transfer(b, 0) for one, b in ((data, mine), (plain, first))
        )
        image = features(wanted.x, wanted.length) if cached else wanted.x
        torch.testing.assert_close(got.x, image, atol=0.01 if cached else 0.0, rtol=0)
        assert torch.equal(got.target, wanted.target)
        assert torch.equal(got.row, wanted.row)
        assert torch.equal(got.length, wanted.length)


def test_prediction_loads_waves_even_where_features_are_cached(make: Any, features: LogMel) -> None:
    data = make()
    data.place_on(CPU, features)
    val, test = data.predict_dataloader()
    got = {"val": batches(data, val), "test": batches(data, test)}
    assert all(batch.x.shape[1:] == (2_400,) for part in got.values() for batch in part)
    assert {part: rows_of(loaded) for part, loaded in got.items()} == {
        part: data.rows[part].tolist() for part in ("val", "test")
    }


def test_loader_processes_do_not_change_the_batches(make: Any) -> None:
    alone, parallel = make(OWN), make(OWN, num_workers=2)
    parallel.place_on(CPU)
    pairs = zip(all_loaders(alone).values(), all_loaders(parallel).values(), strict=True)
    for first, second in pairs:
        for mine, other in zip(batches(alone, first), batches(parallel, second), strict=True):
            for wanted, got in zip(mine, other, strict=True):
                assert torch.equal(wanted, got)


def test_a_pickled_dataset_has_no_samples(make: Any, features: LogMel) -> None:
    data = make(place="memory")
    data.place_on(CPU, features)
    next(iter(data.train_dataloader()))
    assert len(pickle.dumps(data.train_dataloader().dataset)) < 10_000


@pytest.mark.parametrize("cached", [False, True])
@KINDS
def test_feature_statistics_are_those_of_the_training_clips_alone(
    make: Any, features: LogMel, standardiser: Standardiser, cached: bool
) -> None:
    data = make(standardiser)
    data.place_on(CPU, features if cached else None)
    loader = data.loader(data.rows["train"], waves=True)
    image = torch.cat([features(batch.x, batch.length) for batch in batches(data, loader)]).double()
    mean, deviation = data.feature_statistics(features)
    assert mean == pytest.approx(float(image.mean()), abs=1e-3)
    assert deviation == pytest.approx(float(image.std(correction=0)), abs=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_statistics_are_the_same_with_clips_on_the_accelerator(make: Any, features: LogMel) -> None:
    on_cpu, on_gpu = make(), make(place="device")
    on_gpu.place_on(torch.device("cuda"))
    expected = on_cpu.feature_statistics(features)
    assert on_gpu.feature_statistics(features) == pytest.approx(expected)


def test_class_counts_are_those_of_the_training_clips(make: Any) -> None:
    data = make()
    train = data.table[data.table["subset"] == "train"]["emotion"].value_counts()
    assert data.class_counts().tolist() == [train.get(label, 0) for label in data.labels]


def test_clips_that_a_split_leaves_out_are_never_loaded(make: Any) -> None:
    data = make()
    subset = data.split.subset.copy()
    subset.iloc[[0, 20, 43]] = ""
    data.use_split(Split(subset))
    got = sorted(row for rows in all_rows(data).values() for row in rows)
    assert got == sorted(set(range(44)) - {0, 20, 43})


def test_a_second_run_decodes_nothing(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make()
    monkeypatch.setattr(caches, "build_part", None)
    second = make(batch_size=7, protocol=SpeakerSplit(seed=1))
    second.setup()
    assert second.cache.key == first.cache.key


def test_known_classes_are_those_of_the_training_clips_of_the_corpus(make: Any) -> None:
    data = make()
    known = data.known_classes()
    assert known.shape == (len(data.table), 6)
    trains = data.table[data.table["subset"] == "train"]
    for corpus, rows in data.table.groupby("corpus").indices.items():
        classes = set(trains["emotion"][trains["corpus"] == corpus])
        for row in rows:
            assert {data.labels[c] for c in known[row].nonzero()[:, 0].tolist()} == classes
    lacking = data.table.index[data.table["emotion"] == "sad"]
    data.use_split(Split(data.split.subset.mask(data.table.index.isin(lacking), "")))
    assert not data.known_classes()[:, 0].any(), "a class without training clips is unknown"


def test_training_batches_follow_the_epoch(make: Any) -> None:
    data = make()
    loader = data.train_dataloader()
    first = rows_of(batches(data, loader))
    assert rows_of(batches(data, loader)) == first
    loader.sampler.set_epoch(1)
    assert rows_of(batches(data, loader)) != first
    assert rows_of(batches(make(), make().train_dataloader())) == first


@pytest.mark.parametrize(("key", "value"), [("batch_size", 0), ("num_workers", -1)])
def test_an_invalid_loader_setting_is_named(make: Any, key: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"loader\.{key}={value} (must be )?at least"):
        make(**{key: value})
