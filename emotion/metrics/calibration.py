"""Calibration metrics and temperature scaling of predicted probabilities."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax

from emotion.errors import ModelError
from emotion.metrics.classification import Array, Counts, Ids, _divide

TEMPERATURES = (0.05, 20.0)
"""Where `fit_temperature` looks: a faultless validation set would ask for 0, a guess for ∞."""


@dataclass(frozen=True)
class ReliabilityCurve:
    """Of each confidence bin, (bins,): mean confidence, accuracy (both NaN if empty), clips."""

    confidence: Array
    accuracy: Array
    count: Counts


def reliability_curve(probabilities: Array, target: Ids, *, bins: int = 15) -> ReliabilityCurve:
    """Return how often the most probable class is right by its probability, from (N, C) and (N,).

    Bins have equal width; an edge belongs to the bin above it, 1 to the last.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == target
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="right")
    count = np.bincount(place, minlength=bins)
    return ReliabilityCurve(
        confidence=_divide(np.bincount(place, weights=confidence, minlength=bins), count),
        accuracy=_divide(np.bincount(place, weights=right, minlength=bins), count),
        count=count,
    )


def expected_calibration_error(probabilities: Array, target: Ids, bins: int = 15) -> float:
    """Return the mean |accuracy - confidence| over `reliability_curve`, weighted by clips.

    Guo et al., ICML 2017. It is torchmetrics' MulticlassCalibrationError with norm l1, but that
    this gives confidences of exactly 1 a further bin.
    """
    curve = reliability_curve(probabilities, target, bins=bins)
    gaps = np.nan_to_num(np.abs(curve.accuracy - curve.confidence))
    return float(_divide((gaps * curve.count).sum(), curve.count.sum()))


def brier_score(probabilities: Array, target: Ids) -> float:
    """Return the mean over clips of Σ_c (p_c - [c is the target])², 0 to 2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[np.asarray(target)]  # (N, C)
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class RiskCoverage:
    """What answering only at confidence >= `threshold` means, (K,) each, thresholds falling.

    `coverage` is the share of clips that are answered, `risk` the share of these that is wrong.
    """

    threshold: Array
    coverage: Array
    risk: Array


def risk_coverage(probabilities: Array, target: Ids) -> RiskCoverage:
    """Return the risk at each coverage, abstaining on the least confident, from (N, C) and (N,).

    A point for each distinct confidence: no threshold parts equals. El-Yaniv & Wiener, JMLR 2010.
    """
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != target
    negative, place = np.unique(-confidence, return_inverse=True)
    answered = np.bincount(place).cumsum()
    errors = np.bincount(place, weights=wrong).cumsum()
    return RiskCoverage(-negative, answered / len(confidence), errors / answered)


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Return probabilities, (N, C) -> (N, C), of logits divided by the temperature."""
    return np.asarray(_softmax(np.asarray(logits, np.float64) / temperature, axis=-1))


def fit_temperature(logits: Array, target: Ids) -> float:
    """Return the temperature that minimises the mean NLL of (N, C) logits, within `TEMPERATURES`.

    Temperature scaling: Guo et al., ICML 2017. 1 where no other does better, as without clips.

    Raises:
        ModelError: logits that are not finite.
    """
    logits = np.asarray(logits, np.float64)
    if not np.isfinite(logits).all():
        raise ModelError("NaN or infinite logits: training diverged. Lower trainer.optimizer.lr.")

    def loss(log_temperature: float) -> float:
        scores = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scores[np.arange(len(scores)), np.asarray(target)].sum())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0
