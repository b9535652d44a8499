"""Targets of `benchmark`: runs with PyTorch, networks of export folders."""

from pathlib import Path

import numpy as np
import pytest

from emotion.errors import ConfigError
from emotion.inference.benchmark_targets import (
    RUNTIMES,
    BenchmarkTarget,
    export_targets,
    load_run_target,
    run_targets,
)
from tests.support.runs import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("benchmark") / "run").folder


def names(targets: list[BenchmarkTarget]) -> list[tuple[str, str]]:
    return [(target.name, target.runtime) for target in targets]


def test_targets_are_networks_times_numbers_of_threads(tmp_path: Path) -> None:
    assert names(run_targets("x", tmp_path, [None, 1])) == [("x", "pytorch")] * 2
    assert export_targets(tmp_path, [1]) == []
    for network in RUNTIMES:
        (tmp_path / network).touch()
    runtimes = [runtime for _, runtime in names(export_targets(tmp_path, [1, 2]))]
    assert sorted(runtimes) == ["int8", "int8", "onnx", "onnx"]


def test_loaded_run_predicts_probabilities(folder: Path) -> None:
    loaded = load_run_target(folder, "cpu")
    wave = np.zeros(loaded.samples, dtype=np.float32)
    probabilities = loaded.predict([wave, wave])
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert loaded.file.is_file()


def test_one_thread_is_one_thread_of_the_cpu(folder: Path) -> None:
    assert load_run_target(folder, "auto", threads=1).device == "cpu, 1 thread"


def test_unknown_accelerator_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="accelerator=tpu: choose auto, cpu"):
        load_run_target(folder, "tpu")
