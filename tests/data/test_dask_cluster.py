"""Dask cluster: the connection to the scheduler."""

import sys

import pytest

from emotion.data import dask_cluster
from emotion.data.dask_cluster import on_cluster
from emotion.errors import ConfigError, DependencyError


def test_an_unreachable_scheduler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr(dask_cluster, "TIMEOUT_SECONDS", 0.5)
    message = "no Dask scheduler is reachable at scheduler=tcp://127.0.0.1:9"
    with pytest.raises(ConfigError, match=message), on_cluster("tcp://127.0.0.1:9"):
        pass


def test_a_missing_dask_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(DependencyError, match=r"emotion\[scale\]"), on_cluster("tcp://here:8786"):
        pass


def test_without_a_scheduler_dask_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with on_cluster(None):
        pass
