"""What each process of a run is fed: its share of every batch, each clip in one share only."""

from collections.abc import Iterator

from torch.utils.data import BatchSampler, Sampler

from emotion.errors import ConfigError


class Shares(BatchSampler):
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
