"""Measurements of a model whose latency is known."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emotion.audio.decode import Wave
from emotion.inference.benchmark_targets import BenchmarkTarget, LoadedTarget
from emotion.inference.benchmark_timing import TimingSettings, time_target

SETTINGS = TimingSettings(batch_sizes=[1, 2], repeats=5, seconds=0.01, accelerator="cpu")
LATENCY_S = 0.004


def load_slow_target(folder: Path, accelerator: str) -> LoadedTarget:
    """Return a model that takes 4 ms per clip."""

    def predict(waves: Sequence[Wave]) -> npt.NDArray[np.float64]:
        time.sleep(LATENCY_S * len(waves))
        return np.full((len(waves), 2), 0.5)

    return LoadedTarget(predict, 16_000, 16_000, 7, folder / "weights", accelerator)


def test_measurements_of_a_known_model_agree(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(3_000_000))
    target = BenchmarkTarget("x", "other", tmp_path, load_slow_target)
    result = time_target(target, SETTINGS, time.time() - 2)
    assert 1000 * LATENCY_S <= result.p50_ms < 10 * 1000 * LATENCY_S
    assert result.p50_ms <= result.p95_ms
    assert result.real_time_factor == pytest.approx(result.p50_ms / 1000)
    assert 0.1 / LATENCY_S < result.clips_per_s[2] <= 1 / LATENCY_S
    assert result.cold_start_s == pytest.approx(2, abs=1)
    assert (result.file_mb, result.parameters) == (3.0, 7)
    assert (result.runtime, result.device) == ("other", "cpu")
    assert {"clips_per_s_1", "clips_per_s_2"} <= set(result.record())
