"""The exceptions that a user sees as one line: what, which value, what is allowed, what next."""

import difflib
from collections.abc import Iterable


class EmotionError(Exception):
    """Base of every error that is the user's to mend; printed without a traceback."""


class ConfigError(EmotionError):
    """A setting, or a combination of settings, that cannot work."""


class AudioError(EmotionError):
    """A file that holds no usable audio."""


class CorpusError(EmotionError):
    """A corpus that is missing, empty or not what its reader describes."""


class CacheError(EmotionError):
    """A cache that cannot be built or read."""


class SplitError(EmotionError):
    """A split that cannot be made of these clips."""


class LeakError(SplitError):
    """A speaker, file or recording that stands on both sides of a split."""


class ModelError(EmotionError):
    """Weights or a network that do not fit."""


class RunError(EmotionError):
    """A run folder that is missing, incomplete or damaged."""


class DependencyError(EmotionError):
    """An optional package that is not installed."""


def near(word: str, choices: Iterable[object]) -> str:
    """Return " Did you mean …?" for a typo, else the list of what is allowed."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(word, names, n=3)
    if close:
        return f" Did you mean {' or '.join(close)}?"
    return f" Choose from: {', '.join(names)}." if names else ""
