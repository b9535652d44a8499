"""Samplers and the resumable loader: epoch order, and each rank's part of every batch."""

import itertools
from collections.abc import Iterator

import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler

from emotion.data.batch import RawBatch
from emotion.errors import ConfigError


class EpochSampler(Sampler[int]):
    """Random order that depends only on seed and epoch, so that a resumed run repeats it."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch; called by Lightning."""
        self.epoch = epoch

    def __iter__(self):  # type: ignore[no-untyped-def]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())


class ResumableLoader(DataLoader[RawBatch]):
    """A loader whose next epoch can skip batches that were finished before.

    Lightning saves its state in a checkpoint written within an epoch. The order is drawn with the
    first batch, when the sampler already has the number of the epoch.
    """

    done = 0
    skip = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.done, self.skip = self.skip, 0
        for batch in itertools.islice(super().__iter__(), self.done, None):
            self.done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the number of finished batches of the epoch; 0 once all are finished."""
        return {"done": self.done % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Skip the finished batches in the next epoch."""
        self.skip = state["done"]


class DistributedBatchSampler(BatchSampler):
    """This rank's part of every batch of a single-process run.

    All ranks get the same number of batches, since they wait for each other at every batch, and no
    clip is repeated to fill a batch. If the last batch has fewer clips than there are ranks, its
    clips are added to the batch before. `sampler` is the order of all clips, the same on every
    rank; `batch_size` is that of all ranks together; `drop_last` must be False. ConfigError is
    raised for more processes than clips, or than clips per batch.
    """

    def __init__(
        self, sampler: Sampler[int], batch_size: int, drop_last: bool, *, rank: int, processes: int
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.rank = rank
        self.processes = processes
        self.clips = len(sampler)  # type: ignore[arg-type] # all of ours have a length
        if processes > batch_size:
            raise ConfigError(
                f"loader.batch_size={batch_size} is less than the {processes} processes of this "
                "run: each needs one clip per batch. Use larger batches or fewer devices."
            )
        if processes > self.clips:
            raise ConfigError(
                f"a subset of {self.clips} clips is too small for the {processes} processes of "
                "this run. Use fewer devices."
            )

    def __len__(self) -> int:
        whole, left = divmod(self.clips, self.batch_size)
        return whole + (left >= self.processes)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        for number in range(len(self)):
            start = number * self.batch_size
            end = start + self.batch_size if number + 1 < len(self) else len(order)
            yield order[start + self.rank : end : self.processes]
