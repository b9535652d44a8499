"""Class priors: how frequent the classes were in training, and are where a model is used."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emotion.errors import ConfigError, suggest
from emotion.runtime.out_of_distribution import TrainingProfile

MIN_PRIOR = 1e-3
"""Prior of a class without training clips."""


def training_priors(profiles: Sequence[TrainingProfile], labels: Sequence[str]) -> dict[str, float]:
    """Return the priors of labels in training, summing to 1; uniform without a profile."""
    priors = {
        label: float(np.mean([profile.priors[label] for profile in profiles])) if profiles else 1.0
        for label in labels
    }
    floor = MIN_PRIOR * sum(priors.values())
    priors = {label: max(prior, floor) for label, prior in priors.items()}
    return {label: prior / sum(priors.values()) for label, prior in priors.items()}


def complete_priors(
    priors: Mapping[str, float] | Sequence[float], training: Mapping[str, float]
) -> dict[str, float]:
    """Return a prior for each label of `training`, summing to 1.

    Labels that `priors` leaves out share the rest in proportion to `training`.

    Raises:
        ConfigError: an unknown label, a wrong number of values, or a sum or value out of range.
    """
    labels = list(training)
    if not isinstance(priors, Mapping):
        if len(priors) != len(labels):
            raise ConfigError(f"priors={list(priors)}: give one for each of {', '.join(labels)}.")
        priors = dict(zip(labels, priors, strict=True))
    for label, prior in priors.items():
        if label not in training:
            raise ConfigError(f"priors: unknown label {label!r}.{suggest(str(label), labels)}")
        if isinstance(prior, bool | str) or not 0 < prior < math.inf:
            raise ConfigError(f"priors: {label}={prior} must be above 0; labels=[…] excludes it.")
    total = float(sum(priors.values()))
    others = [label for label in labels if label not in priors]
    if others and total >= 1:
        raise ConfigError(
            f"priors sum to {total:g}, which leaves nothing for {', '.join(others)}. Give priors "
            "that sum to less than 1, or name every label."
        )
    given = {label: prior / (1 if others else total) for label, prior in priors.items()}
    rest = sum(training[label] for label in others)
    return given | {label: (1 - total) * training[label] / rest for label in others}
