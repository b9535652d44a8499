"""How busy a run keeps the machine: the share of all cores, and of the GPU where there is one."""

import multiprocessing
import statistics
import time
from typing import Any

import lightning as L  # noqa: N812 - Lightning's own abbreviation
import psutil
import torch
from lightning.pytorch.callbacks import Callback

GPU_EVERY_SECONDS = 0.5


class Utilisation(Callback):
    """Measures, over all epochs, what part of the processor and of the GPU the fit kept busy."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self.wall = 0.0
        self.gpu: list[int] = []
        self.started = (0.0, 0.0)
        self.looked = 0.0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the clock for an epoch that the run comes into half-way."""
        self.started = (cpu_seconds(), time.perf_counter())

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started = (cpu_seconds(), time.perf_counter())

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        device, now = trainer.strategy.root_device, time.perf_counter()
        if device.type == "cuda" and now - self.looked > GPU_EVERY_SECONDS:
            self.looked = now
            self.gpu.append(torch.cuda.utilization(device))

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        cpu, wall = self.started
        self.cpu += cpu_seconds() - cpu
        self.wall += time.perf_counter() - wall

    def rates(self) -> dict[str, float]:
        """Return the percentages, of all cores and of the GPU, once there is an epoch."""
        found = {}
        if self.wall:
            found["cpu_percent"] = 100 * self.cpu / self.wall / (psutil.cpu_count() or 1)
        if self.gpu:
            found["gpu_percent"] = statistics.mean(self.gpu)
        return found


def cpu_seconds() -> float:
    """Return the processor time that this process and its loader workers have spent, seconds."""
    spent = 0.0
    for pid in (None, *(worker.pid for worker in multiprocessing.active_children())):
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent
