"""Utilisation of processor and GPU."""

import multiprocessing
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from emotion.training.callbacks.utilisation import Utilisation, cpu_seconds


def work(seconds: float) -> None:
    """Keep one core busy."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_busy_core_counts_and_a_pause_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda: 1)
    usage = Utilisation()
    trainer: Any = None
    usage.on_train_start(trainer, trainer)
    work(0.2)
    usage.on_train_epoch_end(trainer, trainer)
    assert usage.cpu_s == pytest.approx(0.2, abs=0.1)
    before = usage.cpu_s
    usage.on_train_epoch_start(trainer, trainer)
    time.sleep(0.2)
    usage.on_train_epoch_end(trainer, trainer)
    assert usage.cpu_s - before < 0.1
    assert 0 < usage.rates()["cpu_percent"] < 100


def test_loader_workers_count() -> None:
    before = cpu_seconds()
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(5,))
    worker.start()
    try:
        assert cpu_seconds() >= before
    finally:
        worker.kill()
        worker.join()
    assert cpu_seconds() >= before


def test_a_gpu_is_read_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 40)
    usage = Utilisation()
    device = SimpleNamespace(root_device=torch.device("cuda"))
    for _ in range(3):
        usage.on_train_batch_end(SimpleNamespace(strategy=device))  # type: ignore[arg-type]
    assert usage.gpu_percents == [40]
    assert usage.rates() == {"gpu_percent": 40}


def test_before_the_first_epoch_there_are_no_rates() -> None:
    assert Utilisation().rates() == {}
