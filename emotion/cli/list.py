"""The command `list`: the choices of every config group, each with its first comment."""

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from emotion.cli.commands import OK
from emotion.errors import ConfigError, suggest

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
"""Words of the command line, and the config group of each."""


def run(words: Sequence[str]) -> int:
    """Print the choices; return the exit code."""
    print(list_choices(words))
    return OK


def list_choices(words: Sequence[str]) -> str:
    """Return the choices of some config groups, or of all.

    Args:
        words: from `GROUPS`, or names of config groups; empty for all.

    Raises:
        ConfigError: a word that is not a group.
    """
    groups = []
    for word in words or GROUPS:
        group = GROUPS.get(word.lower(), word.lower())
        if group not in GROUPS.values():
            raise ConfigError(f"there is no config group {word!r}.{suggest(word, GROUPS)}")
        groups.append(group)
    choices = {group: choices_of(group) for group in groups}
    width = max((len(name) for group in choices.values() for name in group), default=0)
    blocks = []
    for group, comments in choices.items():
        lines = [f"  {name:<{width}}  {comment}".rstrip() for name, comment in comments.items()]
        blocks.append("\n".join([f"{group}=", *lines] if lines else [f"{group}=", "  (none)"]))
    return "\n\n".join(blocks)


def choices_of(group: str) -> dict[str, str]:
    """Return the choices of a config group, each with its first comment line."""
    folder = files(CONFIGS) / group
    if not folder.is_dir():
        return {}
    files_below = [file.name for file in folder.iterdir()]
    names = {name.removesuffix(".yaml") for name in files_below if name.endswith(".yaml")}
    shared = {"base"}  # the common settings of a group: not a choice
    return {name: first_comment(folder / f"{name}.yaml") for name in sorted(names - shared)}


def first_comment(file: Traversable) -> str:
    """Return the first comment line above the keys of a YAML file, or an empty text."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.strip().removeprefix("#").strip()
        if line.startswith("#") and text and not text.startswith("@package"):
            return text
        if line.strip() and not line.startswith("#"):
            break
    return ""
