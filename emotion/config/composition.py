"""From Hydra's composition to objects: the only place that instantiates."""

import contextlib
import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from omegaconf import MISSING, DictConfig, OmegaConf

from emotion.config.schema import StudySchema, TrainSchema
from emotion.errors import ConfigError, EmotionError, near
from emotion.utils.distributed import devices_here, hosts, is_first

CONFIGS = "emotion.conf"

GROUPS = frozenset(("dataset", "preprocessing", "split", "model", "trainer", "logger"))
FIXED = frozenset(
    ("dataset", "preprocessing", "split", "model", "seed", "recipe", "data_root", "init_from")
)
"""What a run cannot change when it goes on."""


@dataclass(frozen=True)
class Config:
    """A composition, read-only. `DictConfig` goes no further than this class."""

    node: DictConfig
    choices: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The choice of each config group."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Config":
        """Return a composition of plain values."""
        return cls(OmegaConf.create(dict(values)))

    def __getitem__(self, key: str) -> Any:
        """Return a value, resolved, as plain Python; dots go deeper."""
        value = OmegaConf.select(self.node, key, throw_on_missing=True)
        if OmegaConf.is_config(value):
            return OmegaConf.to_container(value, resolve=True)
        return value

    def get(self, key: str) -> Any:
        """Return a value as plain Python, or None where there is no such key."""
        return self[key] if OmegaConf.select(self.node, key) is not None else None

    def build(self, key: str, **more: Any) -> Any:
        """Return the object that a node describes; `more` are further arguments.

        Raises:
            ConfigError: the node's class does not exist, or does not take these arguments.
        """
        node = OmegaConf.select(self.node, key)
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise ConfigError(f"{key} has no _target_: it must name a class or function.")
        try:
            make = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
            return make(**more) if not node.get("_partial_") else make
        except InstantiationException as err:
            cause = err.__cause__
            while cause is not None and not isinstance(cause, EmotionError):
                cause = cause.__cause__
            if cause is not None:
                raise cause from err
            raise ConfigError(f"{key} cannot be built: {first_line(err)}") from err
        except TypeError as err:
            raise ConfigError(f"{key}: {node['_target_']} does not take this: {err}.") from err

    def build_all(self, key: str, **more: Any) -> list[Any]:
        """Return the objects that a node's children describe, in their order."""
        return [self.build(f"{key}.{name}", **more) for name in self[key] or {}]

    def replaced(self, changes: Mapping[str, object]) -> "Config":
        """Return the composition with some values changed."""
        node = self.node.copy()
        OmegaConf.set_readonly(node, False)
        for key, value in changes.items():
            OmegaConf.update(node, key, value, merge=False, force_add=True)
        return Config(node, self.choices)

    def overridden(self, words: Sequence[str]) -> "Config":
        """Return the composition of a run that goes on, with what the command line changes.

        Raises:
            ConfigError: a change of data, labels or model, of a whole group, or of an unknown key.
        """
        changes: dict[str, object] = {}
        for override in OverridesParser.create().parse_overrides(list(words)):
            key = override.key_or_group
            if key in ("resume", "debug") or key.startswith("hydra"):
                continue
            if key.partition(".")[0] in FIXED or key in GROUPS:
                raise ConfigError(
                    f"resume= goes on with the run's own data, labels and model: {key}= cannot "
                    "change. Start a new run, with init_from=RUN to keep the weights."
                )
            if OmegaConf.select(self.node, key, default=MISSING) == MISSING:
                raise ConfigError(
                    f"the run has no setting {key!r}.{near(key, flat_keys(self.node))}"
                )
            changes[key] = override.value()
        return self.replaced(changes)

    def yaml(self) -> str:
        """Return the composition, resolved, as it is saved."""
        return OmegaConf.to_yaml(self.node, resolve=True)


def load_config(path: Path) -> Config:
    """Return a saved composition.

    Raises:
        ConfigError: the file is no YAML.
    """
    try:
        node = OmegaConf.load(path)
    except Exception as err:  # the parser has many errors
        raise ConfigError(f"{path} cannot be read: {first_line(err)}") from err
    if not isinstance(node, DictConfig):
        raise ConfigError(f"{path} is no composition.")
    return Config(node)


@contextlib.contextmanager
def composed(command: str, overrides: list[str]) -> Iterator[Config]:
    """Give the composition of a command without running it."""
    register()
    outer = GlobalHydra.instance().hydra  # inside a command, Hydra is at work already
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_module(CONFIGS, version_base="1.3", job_name=command):
            node = hydra.compose(command, overrides=overrides, return_hydra_config=True)
            choices = chosen_groups(node.hydra.runtime.choices)
            OmegaConf.set_struct(node, False)
            del node["hydra"]
            OmegaConf.set_struct(node, True)
            yield Config(node, choices)
    finally:
        GlobalHydra.instance().hydra = outer


def register() -> None:
    """Make the schema and the resolvers known to Hydra."""
    ConfigStore.instance().store("train_schema", TrainSchema)
    ConfigStore.instance().store("study_schema", StudySchema)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    OmegaConf.register_new_resolver("shipped", _shipped, replace=True)
    OmegaConf.register_new_resolver("devices_here", devices_here, replace=True)
    OmegaConf.register_new_resolver("hosts", hosts, replace=True)
    OmegaConf.register_new_resolver("either", lambda first, second: first or second, replace=True)


def chosen_groups(choices: Mapping[Any, Any]) -> dict[str, str]:
    """Return the choice of each of this program's config groups, as plain text."""
    return {
        str(group).lstrip("/"): str(choice)
        for group, choice in choices.items()
        if choice and not str(group).startswith("hydra/") and "@" not in str(group)
    }


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def flat_keys(node: DictConfig) -> list[str]:
    """Return every key of a composition, with dots, groups included."""

    def walk(value: Any, prefix: str) -> Iterator[str]:
        for key, child in value.items() if isinstance(value, dict) else ():
            yield f"{prefix}{key}"
            yield from walk(child, f"{prefix}{key}.")

    return list(walk(OmegaConf.to_container(node), ""))


def _shipped(name: str) -> str:
    """Return the path of a file that lies beside the configs."""
    return str(importlib.resources.files(CONFIGS) / name)


def _run_folder(resume: str | None, fresh: str) -> str:
    """Return where a run writes: into the run that it resumes, else into a fresh folder."""
    if resume is None:
        return fresh if is_first() else "."
    if Path(resume).is_dir():
        return resume
    return "."  # the error follows once the run is looked for
