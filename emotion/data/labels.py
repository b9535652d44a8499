"""The emotion classes: their names and the order that fixes their ids."""

from collections.abc import Sequence

from emotion.errors import ConfigError, near

DEFAULT = ("sad", "angry", "disgust", "fear", "happy", "neutral")
"""The six classes that all four corpora share; a label's place is its id."""

KNOWN = (*DEFAULT, "calm", "surprise")
"""Every class that a built-in reader can produce."""


def check_labels(labels: Sequence[object]) -> tuple[str, ...]:
    """Return the labels as a tuple of distinct strings, at least two.

    Raises:
        ConfigError: fewer than two labels, or one named twice.
    """
    names = tuple(str(label) for label in labels)
    if len(names) < 2:
        raise ConfigError(
            f"dataset.labels={list(names)} names fewer than two classes. "
            "Give all that are to be told apart."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"dataset.labels names {', '.join(twice)} more than once.")
    return names


def label_id(name: str, labels: Sequence[str]) -> int:
    """Return the id of a label.

    Raises:
        ConfigError: the label is not one of `labels`.
    """
    try:
        return labels.index(name)
    except ValueError as err:
        raise ConfigError(f"{name!r} is no class of this run.{near(name, labels)}") from err
