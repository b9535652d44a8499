"""Rank, devices and hosts of a distributed run, as torchrun, SLURM or Lightning set them."""

import os
from collections.abc import Mapping


def is_rank_zero(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process has rank 0, and so writes the files and logs of a run.

    RANK counts over all hosts and takes precedence: torchrun may number hosts unlike SLURM.
    """
    names = ("RANK",) if "RANK" in environment else ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(int(environment.get(name, 0)) == 0 for name in names)


def local_device_count(environment: Mapping[str, str] = os.environ) -> int | str:
    """Return the number of processes started on this host, one per device, or "auto"."""
    if "LOCAL_WORLD_SIZE" in environment:
        return int(environment["LOCAL_WORLD_SIZE"])
    if int(environment.get("SLURM_NTASKS", 1)) > 1:
        return int(environment.get("SLURM_NTASKS_PER_NODE", 1))
    return "auto"


def host_count(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of hosts on which torchrun or SLURM started this run."""
    if "LOCAL_WORLD_SIZE" in environment:
        return int(environment["WORLD_SIZE"]) // int(environment["LOCAL_WORLD_SIZE"])
    if int(environment.get("SLURM_NTASKS", 1)) > 1:
        return int(environment.get("SLURM_NNODES", 1))
    return 1
