"""Comparison of names and paths that may differ invisibly, in case, blanks or encoding.

Speakers, labels and corpora are compared in Unicode's form NFC, without blanks at the ends
(no-break and zero-width ones included) and without regard to case; paths in form NFC only.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from emotion.errors import ConfigError

V = TypeVar("V")

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Words that YAML reads as booleans, as a key of a label map may be."""


def clean_name(text: str) -> str:
    """Return a name in NFC, without invisible characters at its ends, and with single blanks."""
    words = unicodedata.normalize("NFC", text).split()
    name = " ".join(words)
    while name and unicodedata.category(name[0]) in ("Cf", "Zs"):
        name = name[1:]
    while name and unicodedata.category(name[-1]) in ("Cf", "Zs"):
        name = name[:-1]
    return name


@lru_cache(maxsize=1 << 16)
def name_key(text: str) -> str:
    """Return the form in which speakers, labels and corpora are compared."""
    return clean_name(unicodedata.normalize("NFC", clean_name(text).casefold()))


def path_key(path: str) -> str:
    """Return the form in which paths are compared."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def match_names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return each name in the spelling of an equal known name, else unchanged."""
    spelling = {name_key(name): name for name in known}
    return [spelling.get(name_key(name), name) for name in names]


def match_paths(paths: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return each path in the spelling of an equal known path, else unchanged.

    A path with the separators of Windows equals the same path with slashes, unless a known path
    contains backslashes itself.
    """
    exact = set(known)
    spelling = {path_key(path): path for path in exact}

    def match(path: str) -> str:
        if path in exact:
            return path
        found = spelling.get(path_key(path))
        return found or spelling.get(path_key(path.replace("\\", "/")), path)

    return [match(path) for path in paths]


def text_of(value: object, key: str) -> str:
    """Return a label or other name of a setting as text.

    Raises:
        ConfigError: YAML has read the name as something whose spelling is lost.
    """
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return clean_name(str(value))
    raise ConfigError(
        f"{key} contains {value!r}, which YAML does not read as text. Quote the name."
    )


def look_up(names: Mapping[Any, V], code: str) -> V | None:
    """Return the value of a code in a map; None if the map lacks it.

    Keys are compared as names. A key that YAML has read as a number or a boolean equals every
    spelling of it, such as 01.
    """
    key = name_key(code)
    for name, value in names.items():
        if name_key(str(name)) == key:
            return value
    for name, value in names.items():
        if not isinstance(name, str) and _is_spelling(key, name):
            return value
    return None


def match_keys(values: Any, known: Iterable[str]) -> Any:
    """Return a map with its keys in the spelling of equal known names; other values unchanged."""
    if not isinstance(values, Mapping):
        return values
    found = {name: look_up(values, name) for name in known}
    missing = {
        name: value
        for name, value in values.items()
        if all(look_up({name: True}, own) is None for own in found)
    }
    return {name: value for name, value in found.items() if value is not None} | missing


def check_map(names: Mapping[Any, object], key: str) -> None:
    """Raise ConfigError if a map gives two values to codes that are equal as names."""
    first: dict[str, object] = {}
    for name, value in names.items():
        other = first.setdefault(name_key(str(name)), name)
        if names[other] != value:
            raise ConfigError(
                f"{key} has {str(other)!r} for {names[other]} and {str(name)!r} for {value}, but "
                "names that differ only in case, blanks or encoding are equal. Rename one of them "
                "in the files, or give both the same value."
            )


def _is_spelling(text: str, value: object) -> bool:
    """Return whether YAML reads a text as a number or a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return BOOLEANS.get(text) is value
    if text.startswith("0") and text.isdigit() and not set(text) & {"8", "9"}:
        return int(text, 8) == value  # YAML 1.1: an octal number
    try:
        number = float(text)
    except ValueError:
        return False
    return number == value or (math.isnan(number) and math.isnan(value))
