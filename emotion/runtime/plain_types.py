"""Check of values that were read from JSON against type hints."""

import sys
import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict


def check_type(value: object, hint: Any, key: str) -> None:
    """Check a value, and all values in it, against a type; ValueError with the key of a wrong one.

    Types are bool, int, float (finite), str, None, object, unions, lists, dictionaries and
    TypedDicts. Further keys than those of a TypedDict are ignored.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint) and isinstance(value, dict):
        for name, part in get_type_hints(hint).items():
            if name in value:
                check_type(value[name], part, f"{key}.{name}" if key else name)
            elif name in hint.__required_keys__:
                raise ValueError(f"{key}.{name} is missing" if key else f"{name} is missing")
    elif origin in (Union, types.UnionType):
        if value is not None or type(None) not in arguments:
            check_type(value, next(each for each in arguments if each is not type(None)), key)
    elif origin is list and isinstance(value, list):
        for each in value:
            check_type(each, arguments[0], key)
    elif origin is dict and isinstance(value, dict):
        for name, each in value.items():
            check_type(each, arguments[1], f"{key}.{name}")
    elif origin is not None or is_typeddict(hint) or not _is_plain(value, hint):
        raise ValueError(f"{key or 'the content'} is {str(value)[:40]}, a {type(value).__name__}")


def _is_plain(value: object, hint: Any) -> bool:
    if isinstance(value, bool) and hint in (int, float):
        return False
    if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        return False
    return isinstance(value, int | float if hint is float else hint)
