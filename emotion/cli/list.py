"""The command `list`: the choices of every config group, each with its first comment."""

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from emotion.cli.commands import OK
from emotion.errors import ConfigError, near

CONFIGS = "emotion.conf"
GROUPS = {
    "datasets": "dataset",
    "models": "model",
    "preprocessing": "preprocessing",
    "splits": "split",
    "trainers": "trainer",
    "experiments": "experiment",
    "sweeps": "sweep",
    "spaces": "space",
    "loggers": "logger",
    "sources": "source",
}
"""What a person asks for, and the config group that holds it."""

SHARED = "base"
"""A file of a group that its others start from: no choice by itself."""


def run(words: Sequence[str]) -> int:
    """Print the choices; return the exit code."""
    print(list_choices(words))
    return OK


def list_choices(words: Sequence[str]) -> str:
    """Return the choices of the groups named, or of all groups.

    Args:
        words: names from `GROUPS`; a group's own name, such as model, will do.

    Raises:
        ConfigError: a word that names no group.
    """
    groups = []
    for word in words or GROUPS:
        group = GROUPS.get(word.lower(), word.lower())
        if group not in GROUPS.values():
            raise ConfigError(f"there are no {word!r} to list.{near(word, GROUPS)}")
        groups.append(group)
    choices = {group: choices_of(group) for group in groups}
    width = max((len(name) for some in choices.values() for name in some), default=0)
    blocks = []
    for group, some in choices.items():
        lines = [f"  {name:<{width}}  {comment}".rstrip() for name, comment in some.items()]
        blocks.append("\n".join([f"{group}=", *lines] if lines else [f"{group}=", "  (none)"]))
    return "\n\n".join(blocks)


def choices_of(group: str) -> dict[str, str]:
    """Return the names that a config group offers, each with its first comment line."""
    folder = files(CONFIGS) / group
    if not folder.is_dir():
        return {}
    found = {
        file.name.removesuffix(".yaml"): first_comment(file)
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }
    return {name: found[name] for name in sorted(found) if name != SHARED}


def first_comment(file: Traversable) -> str:
    """Return the first comment that stands above a YAML's keys, or an empty text."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.strip().removeprefix("#").strip()
        if line.startswith("#") and text and not text.startswith("@package"):
            return text
        if line.strip() and not line.startswith("#"):
            break
    return ""
