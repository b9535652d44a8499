"""Saved settings of runs: written and read, and checked unless this user wrote them.

`config.yaml` of a run names the classes that are built, and Hydra would build whatever it names.
So the settings of a run that another person trained may name only classes that this package ships,
and modules that the user trusts (`trust=[…]`, EMOTION_TRUST).
"""

import contextlib
import hashlib
import importlib
import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import yaml
from omegaconf import DictConfig, OmegaConf

from emotion.config.composition import GROUPS, first_line, shipped_file, to_settings, to_yaml
from emotion.config.schema import TrainSettings
from emotion.config.trust import trusted_modules
from emotion.errors import ConfigError
from emotion.utils.files import write_text

TARGET, PARTIAL = "_target_", "_partial_"

MODEL_CLASSES = ("emotion.models.any_module.ModuleClassifier",)
"""Classes of models that no file of conf/ names."""

LIBRARIES = {
    "model": ("torchvision.models",),
    "trainer": ("torch.optim", "torch.optim.lr_scheduler"),
}
"""Modules, by config group, whose public classes and functions settings may name."""

log = logging.getLogger(__name__)

_written: set[str] = set()  # digests of this process, for a state folder that cannot be written


def save_settings(path: Path, settings: TrainSettings) -> None:
    """Write the settings of a run, and remember in the user's state folder that they are own."""
    text = to_yaml(settings)
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    _written.add(digest)
    try:
        folder = own_settings_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / digest).touch()
    except OSError as err:
        log.debug("%s will not be known as own: %s", path, err)
    write_text(path, text)


def load_settings(path: Path) -> TrainSettings:
    """Return the saved settings of a run.

    Raises:
        ConfigError: the file cannot be read, does not hold the settings of a run, or was written by
            another user and names code that is not trusted.
    """
    try:
        content = path.read_bytes()
        text, is_own = content.decode(), _is_own(content)
        if not is_own and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.CSafeLoader)
        ):
            raise ConfigError("it contains YAML aliases, which the settings of a run never do")
        node = OmegaConf.create(text)
        values = OmegaConf.to_container(node)
    except Exception as err:  # the parser has many errors
        raise ConfigError(f"{path} cannot be read: {first_line(err)}") from err
    if not isinstance(node, DictConfig) or not isinstance(values, dict):
        raise ConfigError(f"{path} does not hold the settings of a run.")
    try:
        if not is_own:
            check_settings(values)
        return to_settings(node, TrainSettings)
    except ConfigError as err:
        raise ConfigError(f"{path}: {err}") from err


def check_settings(values: Mapping[Any, Any]) -> None:
    """Check all values of saved settings, unresolved; ConfigError for code that is not trusted."""
    for group, value in values.items():
        _check(value, str(group))


def own_settings_folder() -> Path:
    """Return the folder of the user that keeps the digests of own settings; OSError without one."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError as err:  # neither HOME nor an entry of the user
            raise FileNotFoundError("no home folder") from err
    return state / "emotion" / "own_settings"


@cache
def shipped_targets() -> Mapping[str, frozenset[str]]:
    """Return the classes and functions that the files of conf/ name, by config group."""
    found: defaultdict[str, set[str]] = defaultdict(set, model=set(MODEL_CLASSES))

    def collect(group: str, value: Any) -> None:
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            if TARGET in value:
                found[group].add(value[TARGET])
            for child in value.values():
                collect(group, child)

    root = shipped_file("")
    for file in root.rglob("*.yaml"):
        for key, value in (yaml.load(file.read_bytes(), yaml.CSafeLoader) or {}).items():
            collect(key if key in GROUPS else file.relative_to(root).parts[0], {key: value})
    return {group: frozenset(targets) for group, targets in found.items()}


def _is_own(content: bytes) -> bool:
    """Return whether this user wrote these settings, whichever folder they are in now."""
    digest = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(OSError):
        return digest in _written or (own_settings_folder() / digest).exists()
    return False


def _check(value: Any, group: str, key: str = "") -> None:
    """Check a saved value and all values in it; messages name its `key`."""
    key = key or group
    if isinstance(value, str) and "${" in value:
        raise ConfigError(f"{key} contains ${{…}}, which the settings of a run never do.")
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return
    target = value.get(TARGET)
    trusted = TARGET in value and _check_target(target, group, key)
    for name, child in value.items():
        is_special = isinstance(name, str) and name.startswith("_") and name.endswith("_")
        is_usual = name == TARGET or (name == PARTIAL and child is True)
        if is_special and not is_usual and not trusted:
            raise ConfigError(f"{key}.{name}={child} is not allowed in a run of another person.")
        _check(child, group, f"{key}.{name}")


def _check_target(target: object, group: str, key: str) -> bool:
    """Return whether a target is of a trusted module; ConfigError if it is not known either."""
    module, _, name = str(target).rpartition(".")
    if isinstance(target, str):
        if target in shipped_targets().get(group, ()):
            return False
        if module in LIBRARIES.get(group, ()) and name in _public_names(module):
            return False
        if _is_trusted(target):
            return True
    raise ConfigError(
        f"{key} names {target}, which this program does not offer as {group}, in a run of another "
        f"person: it could run any code. If you trust its author, add trust=[{module}]."
    )


def _public_names(module: str) -> frozenset[str]:
    """Return the names of optimizers, schedules or networks that a library module has."""
    library = importlib.import_module(module)
    if module == "torchvision.models":
        return frozenset(library.list_models(library))
    return frozenset(name for name in library.__all__ if name[0].isupper())


def _is_trusted(target: str) -> bool:
    """Return whether a trusted module defines a target; one that it only imports is not its own."""
    trusted = tuple(f"{name}." for name in trusted_modules())
    if not target.startswith(trusted):
        return False
    try:
        called = hydra.utils.get_object(target)
    except Exception as err:  # whatever the module raises
        raise ConfigError(f"{target} cannot be imported: {first_line(err)}") from err
    return f"{getattr(called, '__module__', '')}.".startswith(trusted)
