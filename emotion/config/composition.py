"""Compositions of Hydra as typed settings, and objects built from nodes with a `_target_`."""

import contextlib
import dataclasses
import importlib.resources
import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from emotion.config.schema import SETTINGS, CommonSettings, TrainSettings, keys_of
from emotion.errors import ConfigError, suggest
from emotion.utils.distributed import is_rank_zero

CONFIGS = "emotion.conf"
CONFIG_FOLDER = "EMOTION_CONFIG_DIR"
"""Environment variable with a folder of further choices, as --config-dir; processes inherit it."""

GROUPS = frozenset(("dataset", "preprocessing", "split", "model", "trainer", "logger"))
FIXED = (GROUPS - {"trainer", "logger"}) | {"seed", "recipe", "data_root", "init_from"}
"""Keys that a resumed run cannot change."""

S = TypeVar("S", bound=CommonSettings)


@dataclass(frozen=True)
class Composition(Generic[S]):
    """A composition of a command, read-only; interpolations between its settings are kept."""

    node: DictConfig  # Hydra's tree
    schema: type[S]
    choices: Mapping[str, str] = field(default_factory=dict, compare=False)  # by config group
    run_folder: str = ""  # Hydra's output folder; empty inside a job, whose folder Hydra made

    @property
    def settings(self) -> S:
        """The typed settings, resolved; ConfigError for a wrong type or a value out of range."""
        return to_settings(self.node, self.schema)

    def replaced(self, changes: Mapping[str, object]) -> "Composition[S]":
        """Return the composition with changes by dotted key; ConfigError for a wrong type."""
        node = self.node.copy()
        OmegaConf.set_readonly(node, False)
        with _errors_named():
            for key, value in changes.items():
                OmegaConf.update(node, key, value, merge=False, force_add=True)
        return dataclasses.replace(self, node=node)

    def keys(self) -> list[str]:
        """Return every key, dotted, config groups included."""

        def walk(value: Any, prefix: str) -> Iterator[str]:
            for key, child in value.items() if isinstance(value, dict) else ():
                yield f"{prefix}{key}"
                yield from walk(child, f"{prefix}{key}.")

        return list(walk(OmegaConf.to_container(self.node), ""))


def compose(command: str, overrides: Sequence[str]) -> Composition[Any]:
    """Return the composition of a command without running it."""
    register()
    outer = GlobalHydra.instance().hydra  # set where a command is running already
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_module(CONFIGS, version_base="1.3", job_name=command):
            words = [*overrides, *_search_path()]
            node = hydra.compose(command, overrides=words, return_hydra_config=True)
            choices = chosen_groups(node.hydra.runtime.choices)
            run_folder = str(node.hydra.run.dir)
            OmegaConf.set_struct(node, False)
            del node["hydra"]
            OmegaConf.set_struct(node, True)
            return Composition(node, SETTINGS[command], choices, run_folder)
    finally:
        GlobalHydra.instance().hydra = outer


@contextlib.contextmanager
def config_folder(folder: str | None) -> Iterator[list[str]]:
    """Take choices from a folder too, within a block and in processes that start in it.

    None is the folder that the environment names. The block receives the flags for Hydra.
    """
    before = os.environ.get(CONFIG_FOLDER)
    if folder or before:
        path = Path(folder or str(before)).expanduser().absolute()
        if not path.is_dir():
            named = "--config-dir" if folder else CONFIG_FOLDER
            raise ConfigError(f"{named} {path} is not a folder.")
        os.environ[CONFIG_FOLDER] = str(path)
    try:
        yield ["--config-dir", os.environ[CONFIG_FOLDER]] if folder or before else []
    finally:
        if before is None:
            os.environ.pop(CONFIG_FOLDER, None)
        else:
            os.environ[CONFIG_FOLDER] = before


def _search_path() -> list[str]:
    """Return an override that adds the folder of further choices; empty without one."""
    if not (folder := os.environ.get(CONFIG_FOLDER)):
        return []
    quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
    return [f"hydra.searchpath=['file://{quoted}']"]


def register() -> None:
    """Make schemas and resolvers known to Hydra."""
    for command, schema in SETTINGS.items():
        ConfigStore.instance().store(f"{command}_schema", _schema_node(schema))
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    OmegaConf.register_new_resolver("text_map", partial(_pairs, str), replace=True)
    OmegaConf.register_new_resolver("number_map", partial(_pairs, float), replace=True)
    OmegaConf.register_new_resolver("either", lambda first, second: first or second, replace=True)


def chosen_groups(choices: Mapping[Any, Any]) -> dict[str, str]:
    """Return the choice of each of this program's config groups, as plain text."""
    return {
        str(group).lstrip("/"): str(choice)
        for group, choice in choices.items()
        if choice and not str(group).startswith(("hydra/", "command")) and "@" not in str(group)
    }


def to_settings(node: DictConfig, schema: type[S]) -> S:
    """Return a tree as typed settings, resolved; ConfigError if it does not fit the schema."""
    with _errors_named():
        merged = OmegaConf.merge(_schema_node(schema), node)
        assert isinstance(merged, DictConfig)
        expand_homes(merged, schema)
        settings = OmegaConf.to_object(merged)
    assert isinstance(settings, schema)
    return settings


def expand_homes(node: DictConfig, schema: type[CommonSettings]) -> None:
    """Replace the ~ of the paths in a tree by the home folder."""

    def expand(path: object) -> str:
        return os.path.expanduser(str(path)).replace("${", r"\${")  # noqa: PTH111 - keeps ~unknown

    for key in keys_of(schema, "paths"):
        value = OmegaConf.select(node, key)
        if str(value).startswith("~"):
            OmegaConf.update(node, key, expand(value))
        elif isinstance(value, ListConfig):
            for position, path in enumerate(value):
                if str(path).startswith("~"):
                    value[position] = expand(path)


def to_yaml(settings: CommonSettings) -> str:
    """Return settings as they are saved."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))


def override_resumed(settings: TrainSettings, words: Sequence[str]) -> TrainSettings:
    """Return the settings of a resumed run with the overrides of the command line.

    Raises:
        ConfigError: a change of data, labels or model, of a whole group, or of an unknown key.
    """
    node = OmegaConf.merge(_schema_node(TrainSettings), dataclasses.asdict(settings))
    assert isinstance(node, DictConfig)
    saved = Composition(node, TrainSettings)
    changes: dict[str, object] = {}
    for override in OverridesParser.create().parse_overrides(list(words)):
        key = override.key_or_group
        if key in ("resume", "debug", "trust") or key.startswith("hydra"):
            continue
        if key != "dataset.root" and (key.partition(".")[0] in FIXED or key in GROUPS):
            raise ConfigError(
                f"{key}= cannot change in a resumed run, which keeps its data, labels and model. "
                "Start a new run; init_from=RUN keeps the weights."
            )
        if OmegaConf.select(saved.node, key, default=MISSING) == MISSING:
            raise ConfigError(f"the run has no setting {key!r}.{suggest(key, saved.keys())}")
        changes[key] = override.value()
    return saved.replaced(changes).settings


def value_at(settings: CommonSettings, key: str) -> Any:
    """Return the value of a dotted key that is known only at run time."""
    value: Any = settings
    for name in key.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return value


@contextlib.contextmanager
def _errors_named() -> Iterator[None]:
    """Raise errors of OmegaConf as ConfigError, with the key."""
    try:
        yield
    except OmegaConfBaseException as err:
        raise ConfigError(explain_value(err)) from err


def _schema_node(schema: type[Any]) -> DictConfig:
    """Return a schema as a tree to merge into; OmegaConf makes that of a frozen class read-only."""
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, None)
    for name, hint in typing.get_type_hints(schema).items():
        if dataclasses.is_dataclass(hint):
            node[name] = _schema_node(typing.cast(type[Any], hint))
    return node


def explain_value(error: OmegaConfBaseException) -> str:
    """Return one line for a value that a setting does not take, with the key."""
    key = getattr(error, "full_key", None)
    if key and "is not a ListConfig" in str(error):
        return f"{key} takes a list, in brackets: {key}=[…]."
    return f"{key}: {first_line(error)}" if key else first_line(error)


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error."""
    return _lines(error)[0]


def all_lines(error: BaseException) -> str:
    """Return the message of an error as one line, with the advice in its further lines."""
    first, *more = _lines(error)
    return " ".join([first if first.endswith(".") or not more else f"{first}:", *more])


def _lines(error: BaseException) -> list[str]:
    lines = [line.strip().replace("\\'", "'") for line in str(error).splitlines() if line.strip()]
    return lines or [type(error).__name__]


def shipped_file(name: str) -> Path:
    """Return the path of a file that is packaged beside the configs."""
    return Path(str(importlib.resources.files(CONFIGS) / name))


def _pairs(of: Callable[[str], object], pairs: str) -> dict[str, object]:
    """Return a map of `name: value` pairs that are separated by commas."""
    items = [pair.partition(":") for pair in pairs.split(",") if pair.strip()]
    return {name.strip(): of(value.strip()) for name, _, value in items}


def _run_folder(resume: str | None, fresh: str) -> str:
    """Return where a run writes: into the run that it resumes, else into a fresh folder."""
    if resume is None:
        return fresh if is_rank_zero() else "."
    return resume if Path(resume).is_dir() else "."  # the error follows once the run is opened
