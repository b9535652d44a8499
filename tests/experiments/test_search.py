"""Hyperparameter search: proposed settings, no test clips, the found experiment."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from emotion.cli.main import run
from emotion.config.composition import compose, value_at
from emotion.errors import ConfigError
from emotion.experiments.search import (
    Choice,
    NumberRange,
    OptunaProposer,
    RandomProposer,
    read_space,
)
from emotion.runs.references import references
from emotion.runs.run import Run
from emotion.utils.tables import read_table

SPACE = {
    "rate": NumberRange(1e-4, 1e-1, log=True),
    "width": Choice(([8, 16], [16, 32])),
    "hidden": NumberRange(16, 64),
}
TINY = [
    "dataset.generate.speakers=6",
    "dataset.generate.sentences=2",
    "recipe.max_epochs=1",
    "loader.batch_size=16",
    "logger=csv",
    "search.trial=range(0,2)",
]


def test_draws_are_in_range_and_depend_on_seed_and_trial_only() -> None:
    proposer = RandomProposer(SPACE, seed=1)
    proposed = [proposer.propose(trial) for trial in range(50)]
    assert all(1e-4 <= each["rate"] <= 1e-1 for each in proposed)
    assert 10 < sum(each["rate"] < 3e-3 for each in proposed) < 40, "even over the logarithm"
    assert {type(each["hidden"]) for each in proposed} == {int}
    assert {str(each["width"]) for each in proposed} == {"[8, 16]", "[16, 32]"}
    assert len({each["rate"] for each in proposed}) == 50
    assert RandomProposer(SPACE, seed=1).propose(7) == proposed[7]
    assert RandomProposer(SPACE, seed=2).propose(7) != proposed[7]


def test_optuna_finds_better_settings_than_random_draws(tmp_path: Path) -> None:
    def score(values: dict[str, Any]) -> float:
        return float(-abs(values["hidden"] - 20) - 10 * (values["width"] != [16, 32]))

    scores = []
    for trial in range(25):
        # Each job opens the study anew.
        proposer = OptunaProposer(SPACE, 0, tmp_path / "study.journal")
        values = proposer.propose(trial)
        assert proposer.propose(trial) == values, "a job that is begun again trains the same"
        scores.append(score(values))
        proposer.add_score(trial, scores[-1])
        proposer.add_score(trial, -1e9)  # of a finished trial nothing is changed
    drawn = [score(RandomProposer(SPACE, 0).propose(trial)) for trial in range(25)]
    assert sum(scores[10:]) > sum(drawn[10:]) + 50


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("{trainer.optimizer.lrr: {low: 1, high: 2}}", "Did you mean trainer.optimizer.lr"),
        ("{trainer.mixup: {low: 2, high: 1}}", "low must be below high"),
        ("{trainer.mixup: {low: 0, high: 1, log: true}}", "above 0 where log is true"),
        ("{trainer.mixup: {low: 0}}", "a list of values"),
        ("{trainer.mixup: []}", "a list of values"),
        ("{}", "search.space is empty"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: str, message: str) -> None:
    composition = compose("train", [])
    with pytest.raises(ConfigError, match=message):
        read_space(composition.replaced({"search.space": OmegaConf.create(space)}))


@pytest.mark.parametrize(("model", "space"), [("cnn", "cnn"), ("crnn", "crnn"), ("reslstm", "any")])
def test_every_space_fits_its_model(model: str, space: str) -> None:
    composition = compose("train", ["sweep=random", f"model={model}", f"space={space}"])
    values = RandomProposer(read_space(composition), 0).propose(0)
    settings = composition.replaced(values).settings
    assert {key: value_at(settings, key) for key in values} == values


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random search of two jobs."""
    root = tmp_path_factory.mktemp("outputs")
    words = [*TINY, "split=kfold", "split.folds=3", "split.fold=1", f"output_root={root}"]
    assert run(["train", "sweep=random", *words, f"hydra.sweep.dir={root / 'it'}"]) == 0
    return root / "it"


def test_a_search_uses_no_test_clips(searched: Path) -> None:
    assert not (searched.parent / "ledger.jsonl").exists()
    for number in (0, 1):
        trial = Run(searched / str(number))
        assert set(trial.metrics) >= {"val"}
        assert "test" not in trial.metrics
        assert not (trial.folder / "predictions.csv").exists()
        split = trial.split
        speakers = {
            part: set(split["speaker"][split["subset"] == part]) for part in ("val", "test")
        }
        assert speakers["val"]
        assert not speakers["val"] & speakers["test"]


def test_the_best_trial_becomes_an_experiment(searched: Path) -> None:
    scores = [Run(searched / name).metrics["val"]["uar"] for name in "01"]
    best = Run(searched / str(scores.index(max(scores)))).settings
    words = ["experiment=best_found", f"hydra.searchpath=[file://{searched}]"]
    settings = compose("train", words).settings
    for key in best.search.space:
        assert value_at(settings, key) == value_at(best, key), key
    assert settings.recipe.max_epochs == 1
    assert settings.test is True
    assert settings.split["_target_"].endswith("SpeakerSplit")


def test_a_search_table_has_the_settings_and_the_score(searched: Path) -> None:
    table = read_table(searched / "sweep.csv")
    assert references(searched / "0") == [searched.resolve() / "sweep.csv"]
    assert list(table["job"]) == ["0", "1"]
    rates = [Run(searched / name).settings.trainer.optimizer["lr"] for name in "01"]
    assert rates[0] != rates[1]
    for row, rate in zip(table.to_dict("records"), rates, strict=True):
        assert f"trainer.optimizer.lr={rate}" in row["overrides"]
        assert row["val_uar"]
        assert row["test_uar"] == ""


@pytest.mark.slow
def test_a_search_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import emotion.training.train

    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    folder = tmp_path / "it"
    words = ["train", "sweep=optuna", *TINY, f"output_root={tmp_path}", f"hydra.sweep.dir={folder}"]
    with monkeypatch.context() as patch:
        patch.setattr(emotion.training.train, "write_report", stop)
        assert run(words) == 143
    begun = Run(folder / "0").settings
    assert run(words) == 0
    assert Run(folder / "0").settings == begun
    assert "resumed at epoch 1" in (folder / "0" / "train.log").read_text()
    assert run([*words, "search.trial=range(2,3)"]) == 0
    assert list(read_table(folder / "sweep.csv")["job"]) == ["0", "1", "2"]
    assert len((folder / "study.journal").read_text().splitlines()) > 3


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_run_side_by_side_through_a_launcher(
    launcher: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "it"
    words = [*TINY, f"output_root={tmp_path}", f"hydra.sweep.dir={folder}"]
    words += [f"hydra/launcher={launcher}"]
    words += ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    assert run(["train", "sweep=random", *words]) == 0
    table = read_table(folder / "sweep.csv")
    assert list(table["status"]) == ["done", "done"]
    assert "use it: --config-dir" in capfd.readouterr().out
    for number in (0, 1):
        assert Run(folder / str(number)).finished
        assert "epoch 1/1" in (folder / str(number) / "train.log").read_text()
    assert json.loads((folder / "0" / "metrics.json").read_text())["val"]
