"""A search: jobs that each train with settings of their own, drawn or asked for.

The jobs are a sweep's. They share only its folder, so that they may run side by side on many
machines, and a search that was stopped goes on. What is best on validation clips becomes a YAML
that `experiment=` takes; no test clip is heard.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from emotion.config.composition import Config, flat_keys
from emotion.errors import ConfigError, DependencyError, near
from emotion.runs.run import Run, find_runs
from emotion.training.log_file import log_to_file
from emotion.training.train import resume, train
from emotion.utils.files import write_text

FOUND = "best_found"
JOURNAL = "study.journal"
KEPT = ("preprocessing", "model", "trainer", "recipe", "loader")
"""What a found experiment sets; which clips it is used on is the user's to say."""


@dataclass(frozen=True)
class Between:
    """Any number from `low` to `high`, whole if both are; evenly over its logarithm if `log`."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    options: tuple[Any, ...]


Space = Mapping[str, Between | OneOf]
"""What a search varies, by key."""


class Proposer(Protocol):
    """Says what a trial trains with, and is told what came of it."""

    def propose(self, trial: int) -> dict[str, Any]:
        """Return a trial's settings, by key; the same at every call."""

    def tell(self, trial: int, score: float) -> None:
        """Take what a trial came to: higher is better."""


class RandomProposer:
    """Draws each trial's settings from the search's seed and the trial's number alone."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def propose(self, trial: int) -> dict[str, Any]:
        generator = np.random.default_rng((self.seed, trial))
        return {key: _draw(generator, self.space[key]) for key in sorted(self.space)}

    def tell(self, trial: int, score: float) -> None:
        """Learn nothing."""


class OptunaProposer:
    """Asks Optuna, whose study lies in a file that all jobs of a search share.

    Args:
        space: what may be varied.
        seed: of the sampler.
        file: the study's journal, made where it is missing.

    Raises:
        DependencyError: Optuna is not installed.
    """

    def __init__(self, space: Space, seed: int, file: Path) -> None:
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ModuleNotFoundError as err:
            raise DependencyError(
                "search.by=optuna needs a package: pip install 'emotion[tune]'. "
                "Without it: sweep=random."
            ) from err
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.seed = seed
        self.distributions = {key: _distribution(what) for key, what in space.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(file.with_name(f".{file.name}.lock"))
        self.study = optuna.create_study(
            study_name="search",
            storage=JournalStorage(JournalFileBackend(str(file))),
            direction="maximize",
            load_if_exists=True,
        )

    def propose(self, trial: int) -> dict[str, Any]:
        with self.lock:
            known = self._known(trial)
            if known is None:
                self.study.sampler = self._sampler(trial)
                asked = self.study.ask(self.distributions)
                asked.set_user_attr("job", trial)
                known = asked
        return {
            key: json.loads(value) if isinstance(value, str) else _short(value)
            for key, value in known.params.items()
        }

    def tell(self, trial: int, score: float) -> None:
        with self.lock:
            known = self._known(trial)
            if known is not None and not known.state.is_finished():
                self.study.tell(known.number, score)

    def _sampler(self, trial: int) -> Any:
        """Return what thinks of a trial's settings: each trial's draws are its own."""
        from optuna.samplers import TPESampler

        return TPESampler(seed=(self.seed * 1_000_003 + trial) % 2**32, constant_liar=True)

    def _known(self, trial: int) -> Any:
        """Return Optuna's record of a job that has asked before, or None."""
        records = self.study.get_trials(deepcopy=False)
        return next((each for each in records if each.user_attrs.get("job") == trial), None)


def run_trial(config: Config, folder: Path, words: Sequence[str]) -> Run:
    """Train one trial of a search in its folder; one that was begun goes on; return its run.

    Args:
        config: the composition; its `search` says what is varied, and how.
        folder: the job's, below the sweep's.
        words: the overrides that the user gave.

    Raises:
        ConfigError: a search by something else, of a setting that is not there, or without
            validation clips.
    """
    run = Run(folder)
    trial = config["search.trial"]
    with log_to_file(folder):
        proposer = make_proposer(config, folder.parent)
        values = proposer.propose(trial)
        begun = (folder / "config.yaml").exists()
        run = resume(run, []) if begun else train(config.replaced(values), folder)
    if "val" not in run.metrics:
        raise ConfigError(
            "a search goes by validation clips, and this split has none. Take another split=…."
        )
    proposer.tell(trial, run.metrics["val"]["uar"])
    write_found(folder.parent, words)
    return run


def make_proposer(config: Config, folder: Path) -> Proposer:
    """Return what proposes the settings of a search's trials; see `run_trial`."""
    space = read_space(config)
    by, seed = config["search.by"], config["search.seed"]
    if by == "random":
        return RandomProposer(space, seed)
    if by == "optuna":
        return OptunaProposer(space, seed, folder / JOURNAL)
    raise ConfigError(f"search.by={by!r}: choose random or optuna.")


def read_space(config: Config) -> Space:
    """Return what a search varies: a mapping of low and high, or a list to choose from, a key.

    Raises:
        ConfigError: a key that is no setting, or neither of the two.
    """
    space: dict[str, Between | OneOf] = {}
    known = flat_keys(config.node)
    for key, told in config["search.space"].items():
        if key not in known:
            raise ConfigError(
                f"search.space has {key!r}, which this model or trainer has not."
                f"{near(key, known)} Or take another space=…."
            )
        if isinstance(told, list) and told:
            space[key] = OneOf(tuple(told))
        elif isinstance(told, dict) and {"low", "high"} <= set(told) <= {"low", "high", "log"}:
            space[key] = Between(**told)
            if not told["low"] < told["high"] or (told.get("log") and told["low"] <= 0):
                raise ConfigError(
                    f"search.space {key} from {told['low']} to {told['high']}: low must be under "
                    "high, and above 0 where log is true."
                )
        else:
            raise ConfigError(
                f"search.space {key}: {told!r} must be {{low: …, high: …}} or a list of values."
            )
    if not space:
        raise ConfigError("search.space is empty. Pick one with space=…: emotion list spaces.")
    return space


def write_found(folder: Path, words: Sequence[str]) -> None:
    """Write the best trial so far of a sweep's folder as `folder`/experiment/best_found.yaml."""
    with FileLock(folder / f".{FOUND}.lock"):
        runs = [run for run in find_runs(folder) if run.finished]
        best = max(runs, key=lambda run: float(run.metrics["val"]["uar"]))
        write_text(folder / "experiment" / f"{FOUND}.yaml", _experiment(best, len(runs), words))


def _experiment(run: Run, trials: int, words: Sequence[str]) -> str:
    """Return a run's settings as an experiment's YAML."""
    config, choices = run.config, run.environment["choices"]
    defaults: list[Any] = [choices["experiment"]] if "experiment" in choices else []
    defaults += [{f"override /{group}": choices[group]} for group in KEPT if group in choices]
    keys = [
        override.key_or_group
        for override in OverridesParser.create().parse_overrides(list(words))
        if "." in override.key_or_group and override.key_or_group.partition(".")[0] in KEPT
    ]
    found = OmegaConf.create({"defaults": [*defaults, "_self_"]})
    for key in dict.fromkeys([*keys, *config["search.space"]]):
        OmegaConf.update(found, key, config[key])
    return (
        "# @package _global_\n"
        f"# Trial {run.folder.name}, the best of {trials} on validation clips: "
        f"UAR {run.metrics['val']['uar']:.3f}. No test clip was heard.\n"
        f"{OmegaConf.to_yaml(found)}"
    )


def _draw(generator: np.random.Generator, what: Between | OneOf) -> Any:
    if isinstance(what, OneOf):
        return what.options[int(generator.integers(len(what.options)))]
    if what.log:
        value = float(np.exp(generator.uniform(np.log(what.low), np.log(what.high))))
    else:
        value = float(generator.uniform(what.low, what.high))
    return round(value) if what.whole else _short(value)


def _short(value: float) -> float:
    """Return a number with no more digits than a person wants to read."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _distribution(what: Between | OneOf) -> Any:
    """Return Optuna's distribution; values that it does not take stand in as JSON."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(what, OneOf):
        return CategoricalDistribution([json.dumps(option) for option in what.options])
    if what.whole:
        return IntDistribution(int(what.low), int(what.high), log=what.log)
    return FloatDistribution(what.low, what.high, log=what.log)
