"""LightningDataModule: turns the files of a dataset into batches of cached tensors."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from emotion.audio.standardise import Standardiser
from emotion.config.build import build
from emotion.config.schema import TrainSettings
from emotion.data.batch import Batch, RawBatch
from emotion.data.clip_store import ClipStore, Place, Stored
from emotion.data.corpora import dataset as datasets
from emotion.data.corpora.index import open_clips
from emotion.data.feature_cache import open_feature_cache
from emotion.data.labels import encode_labels
from emotion.data.samplers import DistributedBatchSampler, EpochSampler, ResumableLoader
from emotion.data.shared_memory import WORKER_TIMEOUT_S, check_shared_memory
from emotion.data.splits.base import SUBSETS, TEST, TRAIN, VAL, Split, SplitProtocol
from emotion.data.waveform_cache import Progress
from emotion.errors import ConfigError
from emotion.features.base import Features
from emotion.features.padding import mask_padding
from emotion.utils.progress import progress_bar

STATISTICS_CLIPS = 2048  # evenly spaced training clips that give mean and deviation of features


class EmotionDataModule(L.LightningDataModule):
    """Batches of training, validation and test clips.

    `cache_dir` is the folder of headers, waveforms and features; `batch_size` counts the clips of
    all processes of a run; `num_workers` is best 0, since batches are gathered, not read; `place`
    is the location of the cached tensors; `seed` is that of the order of the training clips;
    `progress` makes a progress callback for a task with the given name.
    """

    def __init__(
        self,
        *,
        dataset: datasets.Dataset,
        standardiser: Standardiser,
        protocol: SplitProtocol,
        cache_dir: Path,
        batch_size: int,
        num_workers: int = 0,
        place: Place = "auto",
        seed: int = 0,
        progress: Callable[[str], Progress] | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise ConfigError(
                f"loader.batch_size={batch_size} must be at least 1 and "
                f"loader.num_workers={num_workers} at least 0."
            )
        self.dataset = dataset
        self.standardiser = standardiser
        self.protocol = protocol
        self.cache_dir = cache_dir
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.place: Place = place
        self.seed = seed
        self.progress = progress
        self.device = torch.device("cpu")
        self.prediction_subsets: tuple[str, ...] = (VAL, TEST)

    # --- files to tables -------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Build index and cache where they are missing; called once per machine."""
        if hasattr(self, "cache"):
            return
        progress = self.progress("decoding") if self.progress else None
        self.index, self.cache = open_clips(
            self.dataset, self.standardiser, cache_dir=self.cache_dir, progress=progress
        )
        clips = self.cache.index
        self.waves = ClipStore(
            file=self.cache.samples_file,
            dtype=torch.int16 if self.cache.dtype == "int16" else torch.float32,
            offset=torch.tensor(clips["offset"].to_numpy()),
            length=torch.tensor(clips["length"].to_numpy()),
            scale=torch.tensor(clips["scale"].to_numpy("float32")),
            shift=torch.zeros(len(clips)),
        )
        self.store = self.waves
        emotions = self.index.table["emotion"]
        self.targets = torch.from_numpy(encode_labels(emotions, self.index.labels))

    def setup(self, stage: str | None = None) -> None:
        """Open index and cache, and assign the clips to subsets."""
        self.prepare_data()
        if not hasattr(self, "split"):
            self.use_split(self.protocol.assign(self.index.table))

    def use_split(self, split: Split) -> None:
        """Use a split of the table of the index."""
        self.split = split
        subset = split.subset.to_numpy()
        self.rows = {part: torch.from_numpy(np.flatnonzero(subset == part)) for part in SUBSETS}

    # --- properties of the training clips --------------------------------------------------------

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their ids."""
        return self.index.labels

    @property
    def table(self) -> pd.DataFrame:
        """Table of the index with each clip's subset."""
        return self.index.table.assign(subset=self.split.subset)

    def class_counts(self) -> Tensor:
        """Return the number of training clips of each class, (C,)."""
        return torch.bincount(self.targets[self.rows[TRAIN]], minlength=len(self.labels))

    def known_classes(self) -> Tensor:
        """Return the classes among the training clips of each row's corpus, (rows, C) bool."""
        corpus = torch.from_numpy(pd.factorize(self.index.table["corpus"])[0])
        rows = self.rows[TRAIN]
        known = torch.zeros(int(corpus.max()) + 1, len(self.labels), dtype=torch.bool)
        known[corpus[rows], self.targets[rows]] = True
        return known[corpus]

    @torch.no_grad()
    def feature_statistics(self, features: Features) -> tuple[float, float]:
        """Return mean and standard deviation of the training clips' features, dB."""
        rows = self.rows[TRAIN]
        if len(rows) > STATISTICS_CLIPS:
            rows = rows[torch.linspace(0, len(rows) - 1, STATISTICS_CLIPS).long()]
        features = copy.deepcopy(features).to(self.device)
        count, total, squares = 0, 0.0, 0.0
        for batch in torch.split(rows, 64):
            stored = self.store.gather(self._store_rows(batch))
            image = self._values(stored)
            if image.ndim == 2:
                image = features(image.to(self.device), stored.length.to(self.device))
            image = image.cpu().double()  # some accelerators have no float64
            count += image.numel()
            total += float(image.sum())
            squares += float(image.square().sum())
        mean = total / count
        return mean, max(0.0, squares / count - mean**2) ** 0.5

    # --- tables to batches -----------------------------------------------------------------------

    def place_on(self, device: torch.device, features: Features | None = None) -> None:
        """Move the cached tensors; with `features`, batches hold features in place of waves."""
        self.device = device
        if features is not None:
            folder = self.cache_dir / "features"
            progress = self.progress("spectrograms") if self.progress else None
            self.store = open_feature_cache(
                self.waves, features, key=self.cache.key, folder=folder, progress=progress
            )
        self.store = self.store.put(self.place if self.num_workers == 0 else "disk", device)

    def loader(
        self, rows: Tensor, *, shuffle: bool = False, waves: bool = False
    ) -> ResumableLoader:
        """Return a loader of the clips at the given rows of the table.

        `shuffle` uses a new order in every epoch; `waves` loads waves where features are cached.
        """
        store = self.waves if waves else self.store
        samples = math.prod(store.shape) if store.shape else int(store.length.max())
        batch_bytes = self.batch_size * samples * store.dtype.itemsize
        check_shared_memory(batch_bytes, workers=self.num_workers)
        clips = _Clips(store, self._store_rows(rows), self.targets[rows], rows)
        order = EpochSampler(len(clips), self.seed) if shuffle else SequentialSampler(clips)
        if self.processes > 1:
            ranks = {"rank": self.rank, "processes": self.processes}
            sampler = DistributedBatchSampler(order, self.batch_size, False, **ranks)
            batches: dict[str, Any] = {"batch_sampler": sampler}
        else:
            batches = {"batch_size": self.batch_size, "sampler": order}
        return ResumableLoader(
            clips,
            **batches,
            collate_fn=_as_gathered,  # type: ignore[arg-type] # __getitems__ returns a whole batch
            num_workers=self.num_workers,
            timeout=WORKER_TIMEOUT_S if self.num_workers else 0,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.device.type == "cuda" and store.place != "device",
        )

    def train_dataloader(self) -> DataLoader[RawBatch]:
        return self.loader(self.rows[TRAIN], shuffle=True)

    def val_dataloader(self) -> DataLoader[RawBatch]:
        return self.loader(self.rows[VAL])

    def predict_dataloader(self) -> list[DataLoader[RawBatch]]:
        """Return a loader of waves for each subset in `prediction_subsets` that has clips."""
        subsets = [self.rows[subset] for subset in self.prediction_subsets]
        return [self.loader(rows, waves=True) for rows in subsets if len(rows)]

    def on_after_batch_transfer(self, batch: RawBatch, dataloader_idx: int) -> Batch:
        """Convert stored samples to values, on the device."""
        return Batch(self._values(batch.stored), batch.stored.length, batch.target, batch.row)

    @property
    def processes(self) -> int:
        """Number of processes of the run."""
        return self.trainer.world_size if self.trainer is not None else 1

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self.trainer.global_rank if self.trainer is not None else 0

    def _values(self, stored: Stored) -> Tensor:
        values = stored.values()
        fixed = values.ndim > 2 or self.standardiser.length is not None
        return values if fixed else mask_padding(values, stored.length)

    def _store_rows(self, rows: Tensor) -> Tensor:
        """Return the rows of the cache that belong to rows of the table."""
        return torch.from_numpy(self.index.table["row"].to_numpy()[rows.numpy()].copy())


def build_datamodule(
    settings: TrainSettings,
    *,
    protocol: SplitProtocol | None = None,
    standardiser: Standardiser | None = None,
) -> EmotionDataModule:
    """Return the datamodule of a run; `protocol` and `standardiser` replace those of `settings`."""
    return EmotionDataModule(
        dataset=build(settings.dataset, "dataset"),
        standardiser=standardiser or build(settings.preprocessing, "preprocessing"),
        protocol=protocol or build(settings.split, "split"),
        cache_dir=Path(settings.cache_dir),
        batch_size=settings.loader.batch_size,
        num_workers=settings.loader.num_workers,
        place=settings.loader.place,  # type: ignore[arg-type] # the store checks it
        seed=settings.seed,
        progress=progress_bar,
    )


class _Clips(Dataset[RawBatch]):
    """Clips of a subset by their position in it; loads a whole batch at once."""

    def __init__(self, store: ClipStore, store_rows: Tensor, targets: Tensor, rows: Tensor) -> None:
        self.store = store
        self.store_rows = store_rows
        self.targets = targets
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, positions: list[int]) -> RawBatch:
        chosen = torch.tensor(positions)
        stored = self.store.gather(self.store_rows[chosen])
        return RawBatch(stored, self.targets[chosen], self.rows[chosen])


def _as_gathered(batch: RawBatch) -> RawBatch:
    return batch
