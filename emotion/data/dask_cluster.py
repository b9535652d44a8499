"""A Dask cluster in place of this machine's cores, for whatever goes through joblib."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from emotion.errors import ConfigError, DependencyError

SECONDS = 10
"""How long a scheduler may take to answer."""


@contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """Let a Dask cluster do what joblib is given inside the block; None: this machine's cores.

    Its workers need this program and the same file system. What a worker that dies had begun,
    another one does again.

    Args:
        scheduler: the cluster's address, such as tcp://10.0.0.5:8786.

    Raises:
        DependencyError: Dask is not installed.
        ConfigError: nobody answers at the address.
    """
    if scheduler is None:
        yield
        return
    try:
        from dask.distributed import Client
    except ModuleNotFoundError as err:
        raise DependencyError("scheduler= needs Dask: pip install 'emotion[scale]'.") from err
    try:
        client = Client(scheduler, timeout=SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"no Dask scheduler answers at scheduler={scheduler}. Start one with dask scheduler, "
            "and workers with dask worker."
        ) from err
    with client, parallel_config(backend="dask"):
        yield
