"""The command `benchmark`: measurements of runs and of untrained models."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from emotion.cli.benchmark import benchmark, given_runs, untrained_models
from emotion.config.composition import compose
from emotion.errors import ConfigError, RunError
from emotion.inference.benchmark_targets import BenchmarkTarget, load_run_target
from emotion.inference.benchmark_timing import TimingSettings, time_target
from emotion.runs.references import references
from emotion.utils.tables import read_table

QUICK = TimingSettings(batch_sizes=[1, 2], repeats=5, seconds=0.01, accelerator="cpu")


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTarget:
    settings = compose("benchmark", ["models=[cnn]", "threads=[null]"]).settings
    (target,) = untrained_models(settings, tmp_path_factory.mktemp("untrained"))
    return target


def test_untrained_model_is_measured_as_a_run_is(cnn: BenchmarkTarget) -> None:
    row = time_target(cnn, QUICK, time.time())
    assert 20_000 < row.parameters < 30_000
    assert row.clip_s == pytest.approx(2.618, abs=1e-3)
    assert row.peak_mb > 50
    assert row.device.startswith("cpu, ")


def test_untrained_model_takes_the_composed_preprocessing(tmp_path: Path) -> None:
    words = ["models=[cnn]", "preprocessing=speech_16k", "threads=[1]"]
    (target,) = untrained_models(compose("benchmark", words).settings, tmp_path)
    assert load_run_target(target.folder, "cpu").sample_rate == 16_000


def test_runs_are_given_one_or_many(cnn: BenchmarkTarget) -> None:
    settings = compose("benchmark", []).settings
    assert given_runs(settings) == []
    one = given_runs(replace(settings, run=str(cnn.folder)))
    two = given_runs(replace(settings, run=[str(cnn.folder)] * 2))
    with pytest.raises(RunError, match="no run folder /nowhere"):
        given_runs(replace(settings, run="/nowhere"))
    assert [target.folder for target in one] == [cnn.folder] * 2  # threads=[null, 1]
    assert len(two) == 4


@pytest.mark.parametrize("plan", ["repeats=0", "threads=[]", "threads=[0]"])
def test_empty_plan_is_refused(plan: str, tmp_path: Path) -> None:
    settings = compose("benchmark", [plan]).settings
    with pytest.raises(ConfigError, match=plan.partition("=")[0]):
        benchmark(settings, tmp_path)


@pytest.mark.slow
def test_table_is_written_and_printed(tmp_path: Path, cnn: BenchmarkTarget) -> None:
    (cnn.folder / "split.csv").touch()  # as in every trained run
    words = [f"run={cnn.folder}", "repeats=3", "seconds=0.01", "batch_sizes=[2]", "accelerator=cpu"]
    text = benchmark(compose("benchmark", words).settings, tmp_path)
    table = read_table(
        tmp_path / "benchmark.csv", {"cold_start_s": "float64", "peak_mb": "float64"}
    )
    assert list(table["name"]) == [str(cnn.folder)] * 2
    assert tmp_path.resolve() / "benchmark.csv" in references(cnn.folder)
    assert (tmp_path / "benchmark.png").stat().st_size > 5_000
    assert table["cold_start_s"][0] > 0.5  # a process was started, and torch loaded
    assert "clips/s by 2" in text
    assert str(tmp_path / "benchmark.csv") in text
