"""Utilisation of processor and GPU during training."""

import multiprocessing
import statistics
import time
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import psutil
import torch
from lightning.pytorch.callbacks import Callback

GPU_INTERVAL_S = 0.5  # seconds between two readings of the GPU


class Utilisation(Callback):
    """Measures the utilisation of all cores, and of the GPU, over all epochs."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self.gpu_percents: list[int] = []
        self.started = (0.0, 0.0)
        self.last_reading = 0.0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the clock for an epoch that is resumed."""
        self.started = (cpu_seconds(), time.perf_counter())

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started = (cpu_seconds(), time.perf_counter())

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        device, now = trainer.strategy.root_device, time.perf_counter()
        if device.type == "cuda" and now - self.last_reading > GPU_INTERVAL_S:
            self.last_reading = now
            self.gpu_percents.append(torch.cuda.utilization(device))

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        cpu, wall = self.started
        self.cpu_s += cpu_seconds() - cpu
        self.wall_s += time.perf_counter() - wall

    def rates(self) -> dict[str, float]:
        """Return cpu_percent and gpu_percent; empty before the first epoch."""
        found = {}
        if self.wall_s:
            found["cpu_percent"] = 100 * self.cpu_s / self.wall_s / (psutil.cpu_count() or 1)
        if self.gpu_percents:
            found["gpu_percent"] = statistics.mean(self.gpu_percents)
        return found


def cpu_seconds() -> float:
    """Return the processor time of this process and its loader workers, in seconds."""
    spent = 0.0
    for pid in (None, *(worker.pid for worker in multiprocessing.active_children())):
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent
