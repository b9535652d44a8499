"""Translates the words of a command line into overrides that Hydra can parse."""

import argparse
import itertools
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from emotion.config.schema import SETTINGS, keys_of

TAKES_INPUTS = frozenset(["predict", "embed"])
"""Commands whose plain words are inputs; `-` is stdin."""

NAME_KEYS = frozenset(["labels", "emotions", "corpora", "train", "test", "train_only"])
"""Last parts of keys whose lists and maps contain names: 01, 1e3 and true are text there."""

SETTING = re.compile(r"(\+{0,2}[A-Za-z_][\w./@:-]*=|~[A-Za-z_])")
"""Start of a word that is a setting, by Hydra's grammar."""

LONG_FLAGS = ("--config-dir", "--config-path", "--config-name", "--package", "--cfg", "--info")
FLAGS_WITH_VALUE = frozenset((*LONG_FLAGS, "-cd", "-cp", "-cn", "-p", "-c", "-i"))


class UsageError(Exception):
    """A word of the command line that the command does not take."""


@cache
def quoted_keys(command: str) -> frozenset[str]:
    """Return the keys of a command whose values are paths or patterns, in which any sign may be."""
    kinds = (keys_of(SETTINGS[command], kind) for kind in ("paths", "patterns"))
    return frozenset([*itertools.chain(*kinds), "hydra.run.dir", "hydra.sweep.dir"])


def to_hydra(command: str, words: Sequence[str]) -> list[str]:
    """Return the overrides for Hydra: paths are quoted, plain words become inputs or a source.

    Raises:
        UsageError: a word that is neither a setting nor an input.
    """
    flags: list[str] = []  # first: argparse does not take settings on both sides of a flag
    out: list[str] = []
    inputs: list[str] = []
    takes_value = False
    for word in words:
        key, equals, value = word.partition("=")
        if takes_value or (word.startswith("-") and word != "-"):
            takes_value = word in FLAGS_WITH_VALUE
            flags.append(word)
        elif equals and key.lstrip("+~") in quoted_keys(command):
            out.append(f"{key}={quote_paths(value)}")
        elif command in TAKES_INPUTS and (not SETTING.match(word) or Path(word).exists()):
            inputs.append(word)
        elif command == "download" and re.fullmatch(r"\w+", word):
            out.append(f"source={word}")
        elif SETTING.match(word):
            out.append(f"{key}={quote_text(key, value)}" if equals else word)
        else:
            raise UsageError(f"emotion {command} takes settings as name=value, not {word!r}.")
    if inputs:
        out.append(f"inputs=[{','.join(map(quote, inputs))}]")
    return flags + out


def split_config_folder(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the words without the flag --config-dir (or -cd), and the folder that it names."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd")
    try:
        flags, rest = parser.parse_known_args(words)
    except argparse.ArgumentError as err:
        raise UsageError("--config-dir needs a folder: --config-dir FOLDER.") from err
    return rest, flags.config_dir


def quote_paths(value: str) -> str:
    """Return a path, or a list of paths in brackets, quoted for Hydra's grammar."""
    if value in ("", "null") or value[0] in "'\"":
        return value
    if value.startswith("[") and value.endswith("]") and not Path(value).exists():
        parts = [quote(part.strip()) for part in value[1:-1].split(",") if part.strip()]
        return f"[{','.join(parts)}]"
    return quote(value)


def quote_text(key: str, value: str) -> str:
    """Return a value with its text quoted: letters beyond ASCII, and names that look like numbers.

    Names are the elements of lists, and the values of maps, of the keys in NAME_KEYS.
    """
    is_names = key.lstrip("+").rpartition(".")[2] in NAME_KEYS
    if not (is_names or _is_foreign(value)) or "${" in value:
        return value
    mapping = re.fullmatch(r"\{([^\[\]{}'\"]*)\}", value)
    keys = re.findall(r"([^,:]*):", mapping[1]) if mapping else []
    if mapping and any(map(_is_foreign, keys)):  # Hydra's grammar has no quoted keys
        kind = "text_map" if is_names else "number_map"
        return f"${{{kind}:{quote(mapping[1])}}}"

    def quoted(match: re.Match[str]) -> str:
        text, before = match[2], value[: match.start()]
        is_inside = before.count("[") + before.count("{") > before.count("]") + before.count("}")
        if match[1] or not text.strip():
            return match[0]
        if _is_foreign(text) or (is_names and is_inside and value[match.end() :][:1] != ":"):
            stripped = text.strip()
            return text.replace(stripped, quote(stripped))
        return match[0]

    separators = "[]{},:" if value[:1] in "[{" else "(),"
    text = f"[^{re.escape(separators)}'\"]+"
    return re.sub(rf"""('(?:\\.|[^'])*'|"(?:\\.|[^"])*")|({text})""", quoted, value)


def _is_foreign(text: str) -> bool:
    return not text.isascii()


def quote(value: str) -> str:
    """Return text as a quoted value, in which no sign has a meaning for Hydra."""
    home = os.path.expanduser(value) if value.startswith("~") else value  # noqa: PTH111
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", home)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped).replace("${", r"\${")
    return f"'{escaped}'"
