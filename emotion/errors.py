"""Exceptions with a message for the user: the problem, the value, allowed values, the next step."""

import difflib
from collections.abc import Iterable


class EmotionError(Exception):
    """Base of every error that a user can correct; printed as one line without a traceback."""


class ConfigError(EmotionError):
    """A setting, or a combination of settings, that cannot work."""


class AudioError(EmotionError):
    """A file without usable audio."""


class TooLongError(AudioError):
    """A recording beyond the limits of length."""


class CorpusError(EmotionError):
    """A corpus that is missing, empty or does not match its reader."""


class CacheError(EmotionError):
    """A cache that cannot be built or read."""


class SplitError(EmotionError):
    """A split that is impossible for these clips."""


class LeakError(SplitError):
    """Data leakage: a speaker, file or recording in both training and test clips."""


class ModelError(EmotionError):
    """Weights that do not match the network, or a network that cannot be built."""


class RunError(EmotionError):
    """A run folder that is missing, incomplete or damaged."""


class DependencyError(EmotionError):
    """An optional package that is not installed."""


def suggest(word: str, choices: Iterable[object]) -> str:
    """Return " Did you mean …?" for a typo, else the allowed values, to append to a message."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(word, names, n=3)
    if close:
        ratios = [difflib.SequenceMatcher(None, name, word).ratio() for name in close]
        near = [name for name, ratio in zip(close, ratios, strict=True) if ratio > ratios[0] - 0.1]
        return f" Did you mean {' or '.join(near)}?"
    return f" Choose from: {', '.join(names)}." if names else ""
