"""Emotion classes: default names, the order that defines their ids, and label encoding."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from emotion.errors import ConfigError
from emotion.utils.names import name_key, text_of

DEFAULT_LABELS = ("sad", "angry", "disgust", "fear", "happy", "neutral")
"""The six classes that all four corpora share; the id of a label is its index."""

KNOWN_LABELS = (*DEFAULT_LABELS, "calm", "surprise")  # all classes of the built-in readers


def check_labels(labels: Sequence[object]) -> tuple[str, ...]:
    """Return the labels as a tuple of at least two distinct strings, or raise ConfigError."""
    names = tuple(text_of(label, "dataset.labels") for label in labels)
    if len(names) < 2:
        raise ConfigError(
            f"dataset.labels={list(names)} names fewer than two classes. "
            "Name every class to distinguish."
        )
    keys = [name_key(name) for name in names]
    repeated = [name for name, key in zip(names, keys, strict=True) if keys.count(key) > 1]
    if repeated:
        named = ", ".join(dict.fromkeys(repeated))
        raise ConfigError(f"dataset.labels names {named} more than once.")
    return names


def encode_labels(names: Iterable[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the id of each name, its index in `labels`: (N,); KeyError for any other name."""
    ids = {label: index for index, label in enumerate(labels)}
    return np.array([ids[name] for name in names], dtype=np.int64)
