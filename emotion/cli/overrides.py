"""From the shell's words to Hydra's: any file name goes through, and bare words are inputs."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

PATH_KEYS = frozenset(
    [
        "inputs",
        "output",
        "archive",
        "source.fetch.url",
        "data_root",
        "cache_dir",
        "output_root",
        "segments",
        "resume",
        "run",
        "init_from",
        "dataset.root",
        "dataset.path",
        "dataset.speaker",
        "split.path",
        "model.weights",
        "hydra.run.dir",
        "hydra.sweep.dir",
    ]
)
"""Keys whose values are paths or patterns: any character may stand in them."""

HEARS = frozenset(["predict", "embed"])
"""Commands that take bare words, as the names of what is heard; `-` is stdin."""

SETTING = re.compile(r"(\+{0,2}[A-Za-z_][\w./@:-]*=|~[A-Za-z_])")
"""How a word begins that is a setting, by Hydra's grammar."""

FLAGS_WITH_VALUE = frozenset(
    [
        "--config-dir",
        "-cd",
        "--config-path",
        "-cp",
        "--config-name",
        "-cn",
        "--package",
        "-p",
        "--cfg",
        "-c",
        "--info",
        "-i",
    ]
)


class UsageError(Exception):
    """A command line that no command understands."""


def overrides(command: str, words: Sequence[str]) -> list[str]:
    """Return Hydra's words: paths quoted, bare words taken as inputs, or as what to download."""
    flags: list[str] = []  # first: argparse takes no settings on both sides of a flag
    out: list[str] = []
    inputs: list[str] = []
    takes_value = False
    for word in words:
        key, equals, value = word.partition("=")
        if takes_value or (word.startswith("-") and word != "-"):
            takes_value = word in FLAGS_WITH_VALUE
            flags.append(word)
        elif equals and key.lstrip("+~") in PATH_KEYS:
            out.append(f"{key}={quote_paths(value)}")
        elif command in HEARS and (not SETTING.match(word) or Path(word).exists()):
            inputs.append(word)
        elif command == "download" and re.fullmatch(r"\w+", word):
            out.append(f"source={word}")
        elif SETTING.match(word):
            out.append(word)
        else:
            raise UsageError(f"emotion {command} takes settings as name=value, not {word!r}.")
    if inputs:
        out.append(f"inputs=[{','.join(map(quote, inputs))}]")
    return flags + out


def quote_paths(value: str) -> str:
    """Return a path, or a list of them in brackets, as Hydra's grammar takes it."""
    if value in ("", "null") or value[0] in "'\"":
        return value
    if value.startswith("[") and value.endswith("]") and not Path(value).exists():
        return (
            f"[{','.join(quote(part.strip()) for part in value[1:-1].split(',') if part.strip())}]"
        )
    return quote(value)


def quote(value: str) -> str:
    """Return text as a quoted value: nothing in it means anything to Hydra."""
    home = os.path.expanduser(value) if value.startswith("~") else value  # noqa: PTH111
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", home)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped).replace("${", r"\${")
    return f"'{escaped}'"
