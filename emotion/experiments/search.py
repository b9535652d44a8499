"""Hyperparameter search: each job of a sweep trains with settings from a proposer.

The jobs share only the folder of the sweep, so that they can run in parallel on several machines,
and a stopped search can be resumed. The settings that are best on validation clips become a YAML
file for `experiment=`; test clips are not used.
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

from emotion.config.composition import Composition, value_at
from emotion.config.schema import TrainSettings
from emotion.errors import ConfigError, DependencyError, suggest
from emotion.runs.lock import locked_run
from emotion.runs.run import Run, find_runs
from emotion.training.log_file import log_to_file
from emotion.training.train import resume, train
from emotion.utils.files import write_text

FOUND = "best_found"
KEPT = ("preprocessing", "model", "trainer", "recipe", "loader")
"""Config groups of a found experiment; it does not set dataset and split."""


@dataclass(frozen=True)
class NumberRange:
    """A number from `low` to `high`, an integer if both are; log-uniform if `log`."""

    low: float
    high: float
    log: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether only integers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    options: tuple[Any, ...]


Space = Mapping[str, NumberRange | Choice]
"""Searched values, by key of the setting."""


class Proposer(Protocol):
    """Proposes the settings of trials, and receives their scores."""

    def propose(self, trial: int) -> dict[str, Any]:
        """Return the settings of a trial, by key; the same at every call."""

    def add_score(self, trial: int, score: float) -> None:
        """Take the score of a trial; higher is better."""


class RandomProposer:
    """Draws the settings of each trial from the seed and the number of the trial."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def propose(self, trial: int) -> dict[str, Any]:
        generator = np.random.default_rng((self.seed, trial))
        return {key: _draw(generator, self.space[key]) for key in sorted(self.space)}

    def add_score(self, trial: int, score: float) -> None:
        """Ignore the score."""


class OptunaProposer:
    """Proposer by Optuna; all jobs of a search share the file of its study.

    Args:
        space: searched values.
        seed: of the sampler.
        file: journal of the study, created if it is missing.

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
        storage = JournalStorage(JournalFileBackend(str(file)))
        self.study = optuna.create_study(
            study_name="search", storage=storage, direction="maximize", load_if_exists=True
        )

    def propose(self, trial: int) -> dict[str, Any]:
        with self.lock:
            known = self._known(trial)
            if known is None:
                from optuna.samplers import TPESampler

                seed = (self.seed * 1_000_003 + trial) % 2**32  # each trial has its own
                self.study.sampler = TPESampler(seed=seed, constant_liar=True)
                known = self.study.ask(self.distributions)
                known.set_user_attr("job", trial)
        return {
            key: json.loads(value) if isinstance(value, str) else _short(value)
            for key, value in known.params.items()
        }

    def add_score(self, trial: int, score: float) -> None:
        with self.lock:
            known = self._known(trial)
            if known is not None and not known.state.is_finished():
                self.study.tell(known.number, score)

    def _known(self, trial: int) -> Any:
        """Return Optuna's record of a trial that has been proposed before, or None."""
        records = self.study.get_trials(deepcopy=False)
        return next((each for each in records if each.user_attrs.get("job") == trial), None)


def run_trial(composition: Composition[TrainSettings], folder: Path, words: Sequence[str]) -> Run:
    """Train one trial of a search in its folder, or resume it; return its run.

    The folder of the job is below that of the sweep; `words` are the overrides of the user.

    Raises:
        ConfigError: a search of a setting that does not exist, or without validation clips.
    """
    run = Run(folder)
    trial = composition.settings.search.trial
    with log_to_file(folder), locked_run(folder):
        proposer = make_proposer(composition, folder.parent)
        values = proposer.propose(trial)
        if (folder / "config.yaml").exists():
            run = resume(run, [])
        else:
            drawn = composition.replaced(values)
            run = train(drawn.settings, folder, choices=drawn.choices)
    if "val" not in run.metrics:
        raise ConfigError(
            "a search needs validation clips, and this split has none. Choose another split=…."
        )
    proposer.add_score(trial, run.metrics["val"]["uar"])
    write_found(folder.parent, words)
    return run


def make_proposer(composition: Composition[TrainSettings], folder: Path) -> Proposer:
    """Return the proposer of the settings of each trial."""
    space, search = read_space(composition), composition.settings.search
    if search.by == "optuna":
        return OptunaProposer(space, search.seed, folder / "study.journal")
    return RandomProposer(space, search.seed)


def read_space(composition: Composition[TrainSettings]) -> Space:
    """Return the space of a search: by key, a mapping with low and high, or a list of values.

    Raises:
        ConfigError: an unknown key, or another kind of value.
    """
    space: dict[str, NumberRange | Choice] = {}
    known = composition.keys()
    for key, values in composition.settings.search.space.items():
        if key not in known:
            raise ConfigError(
                f"search.space has {key!r}, which is not a setting of this model or trainer."
                f"{suggest(key, known)} Or take another space=…."
            )
        if isinstance(values, list) and values:
            space[key] = Choice(tuple(values))
        elif isinstance(values, dict) and {"low", "high"} <= set(values) <= {"low", "high", "log"}:
            space[key] = NumberRange(**values)
            if not values["low"] < values["high"] or (values.get("log") and values["low"] <= 0):
                raise ConfigError(
                    f"search.space {key} from {values['low']} to {values['high']}: low must be "
                    "below high, and above 0 where log is true."
                )
        else:
            raise ConfigError(
                f"search.space {key}: {values!r} must be {{low: …, high: …}} or a list of values."
            )
    if not space:
        raise ConfigError("search.space is empty. Choose one with space=…: emotion list spaces.")
    return space


def write_found(folder: Path, words: Sequence[str]) -> None:
    """Write the best trial of a sweep so far as `folder`/experiment/best_found.yaml."""
    with FileLock(folder / f".{FOUND}.lock"):
        runs = [run for run in find_runs(folder) if run.finished]
        best = max(runs, key=lambda run: float(run.metrics["val"]["uar"]))
        write_text(folder / "experiment" / f"{FOUND}.yaml", _experiment(best, len(runs), words))


def _experiment(run: Run, trials: int, words: Sequence[str]) -> str:
    """Return the settings of a run as the YAML of an experiment."""
    settings, choices = run.settings, run.environment["choices"]
    defaults: list[Any] = [choices["experiment"]] if "experiment" in choices else []
    defaults += [{f"override /{group}": choices[group]} for group in KEPT if group in choices]
    parsed = OverridesParser.create().parse_overrides(list(words))
    kept = tuple(f"{group}." for group in KEPT)
    keys = [each.key_or_group for each in parsed if each.key_or_group.startswith(kept)]
    found = OmegaConf.create({"defaults": [*defaults, "_self_"]})
    for key in dict.fromkeys([*keys, *settings.search.space]):
        OmegaConf.update(found, key, value_at(settings, key))
    return (
        "# @package _global_\n"
        f"# Trial {run.folder.name}, the best of {trials} on validation clips: "
        f"UAR {run.metrics['val']['uar']:.3f}. Test clips were not used.\n"
        f"{OmegaConf.to_yaml(found)}"
    )


def _draw(generator: np.random.Generator, what: NumberRange | Choice) -> Any:
    if isinstance(what, Choice):
        return what.options[int(generator.integers(len(what.options)))]
    if what.log:
        value = float(np.exp(generator.uniform(np.log(what.low), np.log(what.high))))
    else:
        value = float(generator.uniform(what.low, what.high))
    return round(value) if what.is_integer else _short(value)


def _short(value: float) -> float:
    """Return a number rounded to four digits."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _distribution(what: NumberRange | Choice) -> Any:
    """Return a distribution of Optuna; lists and mappings are given as JSON."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(what, Choice):
        return CategoricalDistribution([json.dumps(option) for option in what.options])
    if what.is_integer:
        return IntDistribution(int(what.low), int(what.high), log=what.log)
    return FloatDistribution(what.low, what.high, log=what.log)
