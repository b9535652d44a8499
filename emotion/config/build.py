"""Objects from nodes with a `_target_`, whose values are checked against the types of its class."""

import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import InstantiationException

from emotion.config.composition import first_line
from emotion.config.schema import Node
from emotion.errors import ConfigError, EmotionError


def build(node: Node, key: str, **more: Any) -> Any:
    """Return what the class or function `_target_` of a node makes; messages name its `key`.

    Raises:
        ConfigError: the class does not exist, or does not take these arguments.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ConfigError(f"{key} has no _target_: it must name a class or function.")
    check_arguments(node, key)
    try:
        make = hydra.utils.instantiate(dict(node), _partial_=True, _convert_="all")
        return make if node.get("_partial_") else make(**more)
    except InstantiationException as err:
        cause = err.__cause__
        while cause is not None and not isinstance(cause, EmotionError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from err
        raise ConfigError(f"{key} cannot be built: {first_line(err)}") from err
    except TypeError as err:
        raise ConfigError(f"{key}: {node['_target_']} does not take these values: {err}.") from err


def check_arguments(node: Node, key: str) -> None:
    """Check the plain values of a node, and of nodes in it, against the types of its class.

    Raises:
        ConfigError: a value of the wrong type, with its key, value and the type.
    """
    hints = _argument_types(str(node.get("_target_", "")))
    for name, value in node.items():
        if isinstance(value, Mapping):
            check_arguments(value, f"{key}.{name}")
        if name in hints and not _fits(value, hints[name]):
            raise ConfigError(_type_problem(f"{key}.{name}", value, hints[name]))


def _type_problem(key: str, value: object, hint: Any) -> str:
    """Return the message for a value of the wrong type; one value for a list is the likely slip."""
    if not isinstance(value, Mapping) and (_fits([value], hint) or _fits([str(value)], hint)):
        return f"{key}={value} must be a list, in brackets: {key}=[{value}]."
    shown = hint.__name__ if isinstance(hint, type) else re.sub(r"[a-z]\w*\.", "", str(hint))
    return f"{key}={value!r} is a {type(value).__name__}, but must be {shown}."


def _search_current_folder(target: str) -> None:
    """Let Python find the module of a target in the current folder, if it is nowhere else."""
    module = target.partition(".")[0]
    here = [Path(module, "__init__.py"), Path(f"{module}.py")]
    if module and any(path.is_file() for path in here) and find_spec(module) is None:
        sys.path.append(str(Path.cwd()))


def _argument_types(target: str) -> dict[str, Any]:
    """Return the types of a class's or function's arguments, base classes included."""
    _search_current_folder(target)
    try:
        called = hydra.utils.get_object(target) if target else None
    except Exception:  # `build` explains a target that does not exist
        return {}
    hints: dict[str, Any] = {}
    for owner in reversed(called.__mro__) if isinstance(called, type) else [called]:
        function = getattr(owner, "__init__", None) if isinstance(owner, type) else owner
        try:
            hints |= typing.get_type_hints(function)
        except (TypeError, NameError):  # no annotations, or some that cannot be resolved
            continue
    return hints


def _fits(value: object, hint: Any) -> bool:
    """Return whether a plain value has a type; types of objects, and nodes of them, fit all."""
    if isinstance(value, Mapping) and "_target_" in value:
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is typing.Literal:
        return value in arguments
    if hint in (type(None), bool, int, float, str):
        if hint in (int, float) and isinstance(value, bool):
            return False
        return isinstance(value, int | float if hint is float else hint)
    if origin in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            return False
        return all(_fits(each, arguments[0]) for each in value if arguments)
    if hint is Path:
        return isinstance(value, str)
    if origin in (Mapping, dict):
        if not isinstance(value, Mapping):
            return False
        return all(_fits(each, arguments[1]) for each in value.values() if arguments)
    return True
