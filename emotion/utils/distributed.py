"""Which of a run's processes this is, by what torchrun, SLURM or Lightning told it."""

import os
from collections.abc import Mapping


def is_first(told: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is the one that writes and speaks for all of a run.

    RANK counts over all hosts and decides alone: torchrun may number hosts otherwise than SLURM.
    """
    names = ("RANK",) if "RANK" in told else ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(int(told.get(name, 0)) == 0 for name in names)


def devices_here(told: Mapping[str, str] = os.environ) -> int | str:
    """Return the processes that were started on this host, one a device; "auto" if none was."""
    if "LOCAL_WORLD_SIZE" in told:
        return int(told["LOCAL_WORLD_SIZE"])
    if int(told.get("SLURM_NTASKS", 1)) > 1:
        return int(told.get("SLURM_NTASKS_PER_NODE", 1))
    return "auto"


def hosts(told: Mapping[str, str] = os.environ) -> int:
    """Return over how many hosts torchrun or SLURM has started this run."""
    if "LOCAL_WORLD_SIZE" in told:
        return int(told["WORLD_SIZE"]) // int(told["LOCAL_WORLD_SIZE"])
    if int(told.get("SLURM_NTASKS", 1)) > 1:
        return int(told.get("SLURM_NNODES", 1))
    return 1
