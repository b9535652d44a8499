"""Dask cluster as the joblib backend, in place of the cores of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from emotion.errors import ConfigError, DependencyError

TIMEOUT_SECONDS = 10  # for the connection to the scheduler


@contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """Run joblib calls inside the block on a Dask cluster; None: on the cores of this machine.

    The workers need this program and the same file system. Tasks of a worker that dies are repeated
    by other workers. `scheduler` is an address such as tcp://10.0.0.5:8786; if none is reachable
    there, ConfigError is raised, and DependencyError without Dask.
    """
    if scheduler is None:
        yield
        return
    try:
        from dask.distributed import Client
    except ModuleNotFoundError as err:
        raise DependencyError("scheduler= needs Dask: pip install 'emotion[scale]'.") from err
    try:
        client = Client(scheduler, timeout=TIMEOUT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"no Dask scheduler is reachable at scheduler={scheduler}. Start one with dask "
            "scheduler, and workers with dask worker."
        ) from err
    with client, parallel_config(backend="dask"):
        yield
