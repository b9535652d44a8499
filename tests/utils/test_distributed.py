import pytest

from emotion.utils.distributed import host_count, is_rank_zero, local_device_count


@pytest.mark.parametrize(
    ("environment", "rank_zero", "devices", "hosts"),
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
def test_rank_devices_and_hosts_are_taken_from_the_launchers_environment(
    environment: dict[str, str], rank_zero: bool, devices: int | str, hosts: int
) -> None:
    assert is_rank_zero(environment) is rank_zero
    assert local_device_count(environment) == devices
    assert host_count(environment) == hosts
