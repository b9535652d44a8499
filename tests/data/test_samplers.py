"""Every clip is in exactly one batch of one rank, and all ranks get the same number of batches."""

import pytest
from torch.utils.data import SequentialSampler

from emotion.data.samplers import DistributedBatchSampler, EpochSampler
from emotion.errors import ConfigError
from emotion.utils.distributed import devices_here, hosts, is_first


def shares(clips: int, batch_size: int, processes: int, *, epoch: int = 0) -> list[list[list[int]]]:
    """Return each process' batches."""
    found = []
    for rank in range(processes):
        order = EpochSampler(clips, seed=3)
        order.set_epoch(epoch)
        share = DistributedBatchSampler(order, batch_size, False, rank=rank, processes=processes)
        batches = list(share)
        assert len(share) == len(batches)
        found.append(batches)
    return found


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [4, 5, 8])
def test_every_clip_is_in_one_share_and_all_have_as_many_batches(
    processes: int, batch_size: int
) -> None:
    for clips in range(processes, 40):
        found = shares(clips, batch_size, processes)
        fed = [clip for batches in found for batch in batches for clip in batch]
        assert sorted(fed) == list(range(clips))
        assert len({len(batches) for batches in found}) == 1
        for together in zip(*found, strict=True):
            sizes = [len(batch) for batch in together]
            assert max(sizes) - min(sizes) <= 1
            assert min(sizes) >= 1


def test_shares_together_are_the_batches_of_one_process() -> None:
    order = EpochSampler(50, seed=3)
    order.set_epoch(2)
    alone = [set(list(order)[start : start + 8]) for start in range(0, 50, 8)]
    first, second = shares(50, 8, 2, epoch=2)
    assert [set(a) | set(b) for a, b in zip(first, second, strict=True)] == alone


@pytest.mark.parametrize(("clips", "batch_size"), [(2, 8), (40, 2)])
def test_more_processes_than_clips_are_refused(clips: int, batch_size: int) -> None:
    with pytest.raises(ConfigError, match="fewer devices"):
        DistributedBatchSampler(
            SequentialSampler(range(clips)), batch_size, False, rank=0, processes=3
        )


@pytest.mark.parametrize(
    ("told", "first", "devices", "count"),
    [
        ({}, True, "auto", 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True, "auto", 1),  # Lightning's own
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False, "auto", 1),
        (  # torchrun under srun: SLURM's second host got torchrun's first number
            {"RANK": "0", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8", "SLURM_PROCID": "1"},
            True,
            4,
            2,
        ),
        ({"RANK": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}, False, 4, 2),
        (
            {
                "SLURM_PROCID": "3",
                "SLURM_NTASKS": "4",
                "SLURM_NTASKS_PER_NODE": "2",
                "SLURM_NNODES": "2",
            },
            False,
            2,
            2,
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, True, "auto", 1),
    ],
)
def test_launchers_say_who_is_first_and_how_many(
    told: dict[str, str], first: bool, devices: int | str, count: int
) -> None:
    assert is_first(told) is first
    assert devices_here(told) == devices
    assert hosts(told) == count
