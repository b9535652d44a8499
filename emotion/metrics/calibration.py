"""Calibration metrics and temperature scaling of predicted probabilities."""

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.optimize import minimize_scalar

from emotion.errors import ModelError
from emotion.metrics.classification import Array, Counts, Ids, divide

TEMPERATURE_BOUNDS = (0.05, 20.0)
"""Of `fit_temperature`: the optimum is 0 without errors on validation, and infinite for guesses."""


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean confidence, accuracy (both NaN if empty) and clips of each confidence bin, (bins,)."""

    confidence: Array
    accuracy: Array
    count: Counts


def reliability_curve(probabilities: Array, target: Ids, *, bins: int = 15) -> ReliabilityCurve:
    """Return the accuracy by the probability of the predicted class, from (N, C) and (N,).

    Bins have equal width; an edge belongs to the bin above it, 1 to the last bin.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == target
    bin_index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="right")
    count, confident, right = (
        np.bincount(bin_index, weights, minlength=bins) for weights in (None, confidence, correct)
    )
    return ReliabilityCurve(divide(confident, count), divide(right, count), count)


def expected_calibration_error(probabilities: Array, target: Ids, bins: int = 15) -> float:
    """Return the mean |accuracy - confidence| over `reliability_curve`, weighted by clips.

    Guo et al., ICML 2017. It equals torchmetrics' MulticlassCalibrationError with norm l1, which
    however puts confidences of exactly 1 into an additional bin.
    """
    curve = reliability_curve(probabilities, target, bins=bins)
    gaps = np.nan_to_num(np.abs(curve.accuracy - curve.confidence))
    return float(divide((gaps * curve.count).sum(), curve.count.sum()))


def brier_score(probabilities: Array, target: Ids) -> float:
    """Return the mean over clips of Σ_c (p_c - [c is the target])², 0 to 2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[np.asarray(target)]  # (N, C)
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class RiskCoverage:
    """Coverage and risk of abstaining below a confidence `threshold`, (K,) each, descending.

    `coverage` is the fraction of clips with a prediction, `risk` the fraction of errors among them.
    """

    threshold: Array
    coverage: Array
    risk: Array


def risk_coverage(probabilities: Array, target: Ids) -> RiskCoverage:
    """Return the risk at each coverage, abstaining on the least confident, from (N, C) and (N,).

    A point for each distinct confidence, so that equal ones are together. El-Yaniv & Wiener, JMLR
    2010.
    """
    confidence = probabilities.max(axis=1)
    negative, group = np.unique(-confidence, return_inverse=True)
    covered = np.bincount(group).cumsum()
    wrong = np.bincount(group, weights=probabilities.argmax(axis=1) != target).cumsum()
    return RiskCoverage(-negative, covered / len(confidence), wrong / covered)


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Return probabilities, (N, C) -> (N, C), of logits divided by the temperature."""
    return np.asarray(special.softmax(np.asarray(logits, np.float64) / temperature, axis=-1))


def fit_temperature(logits: Array, target: Ids) -> float:
    """Return the temperature, within `TEMPERATURE_BOUNDS`, that minimises the NLL of (N, C) logits.

    Temperature scaling: Guo et al., ICML 2017. It is 1 where no other is better, as without clips.

    Raises:
        ModelError: the logits are not finite.
    """
    logits = np.asarray(logits, np.float64)
    if not np.isfinite(logits).all():
        raise ModelError("NaN or infinite logits: training diverged. Lower trainer.optimizer.lr.")

    def loss(log_temperature: float) -> float:
        scores = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scores[np.arange(len(scores)), np.asarray(target)].sum())

    optimum = minimize_scalar(loss, bounds=np.log(TEMPERATURE_BOUNDS), method="bounded")
    return float(np.exp(optimum.x)) if optimum.fun < loss(0.0) else 1.0
