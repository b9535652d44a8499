"""Samplers and the resumable loader: epoch order, and each rank's part of every batch."""

import itertools
from collections.abc import Iterator

import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler

from emotion.data.batch import RawBatch
from emotion.errors import ConfigError


class EpochSampler(Sampler[int]):
    """A new order every epoch, of seed and epoch alone, so that a resumed run has it too."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Take the epoch's number; Lightning calls this."""
        self.epoch = epoch

    def __iter__(self):  # type: ignore[no-untyped-def]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())


class ResumableLoader(DataLoader[RawBatch]):
    """A loader whose next epoch can start behind batches that were done before.

    Lightning keeps its state in a checkpoint that is written in the midst of an epoch. The order
    is drawn when the first batch is asked for: by then the sampler knows the epoch.
    """

    done = 0
    skip = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.done, self.skip = self.skip, 0
        for batch in itertools.islice(super().__iter__(), self.done, None):
            self.done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many of the epoch's batches were given out; none once all were."""
        return {"done": self.done % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Pass over so many batches, once."""
        self.skip = state["done"]


class DistributedBatchSampler(BatchSampler):
    """One process' share of every batch that one process alone would be fed.

    All processes get as many batches, since each waits for the others at every one, and no clip is
    fed twice to make up the numbers: the few clips that are left where the last batch has fewer
    clips than there are processes go to the batch before.

    Args:
        sampler: the order of all clips, the same in every process.
        batch_size: clips a batch, over all processes.
        drop_last: must be False.
        rank: which process this is.
        processes: how many there are.

    Raises:
        ConfigError: there are more processes than clips, or than clips a batch.
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
                f"loader.batch_size={batch_size} is under the {processes} processes of this run: "
                "each wants a clip a batch. Take larger batches, or fewer devices."
            )
        if processes > self.clips:
            raise ConfigError(
                f"a subset of {self.clips} clips is under the {processes} processes of this run. "
                "Take fewer devices."
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
