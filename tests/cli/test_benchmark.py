"""The command `benchmark`: figures that belong together, for runs and for untrained models."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emotion.audio.decode import Wave
from emotion.cli.benchmark import benchmark, given_runs, untrained_models
from emotion.config.composition import composed
from emotion.errors import ConfigError, RunError
from emotion.inference.benchmark_targets import Loaded, Subject, load_run
from emotion.inference.benchmark_timing import Plan, measure
from emotion.utils.tables import read_table

QUICK = Plan(batch_sizes=[1, 2], repeats=5, seconds=0.01, accelerator="cpu")
SLEEP = 0.004


def load_sleeper(folder: Path, accelerator: str) -> Loaded:
    """Return a model that takes 4 ms a clip, in place of any other runtime."""

    def predict(waves: Sequence[Wave]) -> npt.NDArray[np.float64]:
        time.sleep(SLEEP * len(waves))
        return np.full((len(waves), 2), 0.5)

    return Loaded(predict, 16_000, 16_000, 7, folder / "weights", accelerator)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    with composed("benchmark", ["models=[cnn]", "threads=[null]"]) as config:
        preset = config
    (subject,) = untrained_models(preset, tmp_path_factory.mktemp("untrained"))
    return subject


def test_figures_of_a_known_model_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(3_000_000))
    row = measure(Subject("x", "other", tmp_path, load_sleeper), QUICK, time.time() - 2)
    assert 1000 * SLEEP <= row.p50_ms < 10 * 1000 * SLEEP
    assert row.p50_ms <= row.p95_ms
    assert row.real_time_factor == pytest.approx(row.p50_ms / 1000)
    assert 0.1 / SLEEP < row.clips_per_s[2] <= 1 / SLEEP
    assert row.cold_start_s == pytest.approx(2, abs=1)
    assert (row.file_mb, row.parameters, row.runtime, row.device) == (3.0, 7, "other", "cpu")
    assert {"clips_per_s_1", "clips_per_s_2"} <= set(row.record())


def test_untrained_model_is_measured_as_a_run_is(cnn: Subject) -> None:
    row = measure(cnn, QUICK, time.time())
    assert 20_000 < row.parameters < 30_000
    assert row.clip_s == pytest.approx(2.618, abs=1e-3)
    assert row.peak_mb > 50
    assert row.device.startswith("cpu, ")


def test_untrained_model_takes_the_composed_preprocessing(tmp_path: Path) -> None:
    with composed(
        "benchmark", ["models=[cnn]", "preprocessing=speech_16k", "threads=[1]"]
    ) as config:
        preset = config
    (subject,) = untrained_models(preset, tmp_path)
    assert load_run(subject.folder, "cpu").sample_rate == 16_000


def test_probabilities_are_those_of_the_run(cnn: Subject) -> None:
    loaded = load_run(cnn.folder, "cpu")
    wave = np.zeros(loaded.samples, dtype=np.float32)
    probabilities = loaded.predict([wave, wave])
    assert probabilities.shape == (2, 6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_runs_are_given_one_or_many(cnn: Subject) -> None:
    with composed("benchmark", []) as config:
        assert given_runs(config) == []
        one = given_runs(config.replaced({"run": str(cnn.folder)}))
        two = given_runs(config.replaced({"run": [str(cnn.folder)] * 2}))
        with pytest.raises(RunError, match="no run folder /nowhere"):
            given_runs(config.replaced({"run": "/nowhere"}))
    assert [subject.folder for subject in one] == [cnn.folder] * 2  # one thread a core, and one
    assert len(two) == 4


def test_one_thread_is_one_thread(cnn: Subject) -> None:
    assert load_run(cnn.folder, "auto", threads=1).device == "cpu, 1 thread"


def test_unknown_accelerator_is_named(cnn: Subject) -> None:
    with pytest.raises(ConfigError, match="accelerator=tpu: choose auto, cpu"):
        load_run(cnn.folder, "tpu")


@pytest.mark.parametrize("plan", ["repeats=0", "threads=[]", "threads=[0]"])
def test_empty_plan_is_refused(plan: str, tmp_path: Path) -> None:
    with (
        composed("benchmark", [plan]) as config,
        pytest.raises(ConfigError, match=plan.partition("=")[0]),
    ):
        benchmark(config, tmp_path)


@pytest.mark.slow
def test_table_is_written_and_printed(tmp_path: Path, cnn: Subject) -> None:
    words = [f"run={cnn.folder}", "repeats=3", "seconds=0.01", "batch_sizes=[2]", "accelerator=cpu"]
    with composed("benchmark", words) as config:
        text = benchmark(config, tmp_path)
    table = read_table(
        tmp_path / "benchmark.csv", {"cold_start_s": "float64", "peak_mb": "float64"}
    )
    assert list(table["name"]) == [str(cnn.folder)] * 2
    assert (tmp_path / "benchmark.png").stat().st_size > 5_000
    assert table["cold_start_s"][0] > 0.5  # a process was started, and torch loaded
    assert "clips/s by 2" in text
    assert str(tmp_path / "benchmark.csv") in text
