"""Samplers: epoch order, and batches split across ranks."""

import pytest
import torch
from torch.utils.data import SequentialSampler

from emotion.data.samplers import DistributedBatchSampler, EpochSampler
from emotion.errors import ConfigError


def rank_batches(
    clips: int, batch_size: int, processes: int, *, epoch: int = 0
) -> list[list[list[int]]]:
    """Return the batches of each rank."""
    found = []
    for rank in range(processes):
        order = EpochSampler(clips, seed=3)
        order.set_epoch(epoch)
        sampler = DistributedBatchSampler(order, batch_size, False, rank=rank, processes=processes)
        batches = list(sampler)
        assert len(sampler) == len(batches)
        found.append(batches)
    return found


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [4, 5, 8])
def test_every_clip_is_on_one_rank_and_all_ranks_have_equally_many_batches(
    processes: int, batch_size: int
) -> None:
    for clips in range(processes, 40):
        found = rank_batches(clips, batch_size, processes)
        fed = [clip for batches in found for batch in batches for clip in batch]
        assert sorted(fed) == list(range(clips))
        assert len({len(batches) for batches in found}) == 1
        for together in zip(*found, strict=True):
            sizes = [len(batch) for batch in together]
            assert max(sizes) - min(sizes) <= 1
            assert min(sizes) >= 1


def test_the_batches_of_all_ranks_are_those_of_one_process() -> None:
    order = EpochSampler(50, seed=3)
    order.set_epoch(2)
    alone = [set(list(order)[start : start + 8]) for start in range(0, 50, 8)]
    first, second = rank_batches(50, 8, 2, epoch=2)
    assert [set(a) | set(b) for a, b in zip(first, second, strict=True)] == alone


@pytest.mark.parametrize(("clips", "batch_size"), [(2, 8), (40, 2)])
def test_more_processes_than_clips_are_rejected(clips: int, batch_size: int) -> None:
    with pytest.raises(ConfigError, match="fewer devices"):
        DistributedBatchSampler(
            SequentialSampler(range(clips)), batch_size, False, rank=0, processes=3
        )


def test_an_epochs_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = EpochSampler(50, seed)
        list(sampler)  # what was drawn before does not matter
        sampler.set_epoch(epoch)
        return list(sampler)

    orders = {(seed, epoch): order(seed, epoch) for seed in (0, 1) for epoch in range(3)}
    assert all(sorted(one) == list(range(50)) for one in orders.values())
    assert len({tuple(one) for one in orders.values()}) == 6
    torch.rand(7)
    assert order(1, 2) == orders[1, 2]
