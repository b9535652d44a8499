"""From arrays of class ids and probabilities to figures: fractions, unrounded.

A confusion matrix is (C, C) counts, rows the truth. What is computed from one takes a stack too,
(…, C, C) -> (…), so that a resampling is one call. A class without clips says nothing about a
model: its own figures are NaN, and no mean counts it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax

from emotion.errors import ConfigError, ModelError

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]
Ids = Sequence[int] | npt.NDArray[Any]

TEMPERATURES = (0.05, 20.0)
"""Where `fit_temperature` looks: a faultless validation set would ask for 0, a guess for ∞."""


def confusion_matrix(target: Ids, predicted: Ids, *, n_classes: int) -> Counts:
    """Return counts, (C, C) int64, of N clips: row the true class, column the predicted one.

    Raises:
        ConfigError: an id that is no class, or not one target and one prediction a clip.
    """
    target, predicted = np.asarray(target), np.asarray(predicted)
    try:
        if target.shape != predicted.shape:
            raise ValueError("different shapes")
        cells = np.ravel_multi_index((target, predicted), (n_classes, n_classes))
    except (TypeError, ValueError) as err:
        raise ConfigError(
            f"target {target.shape} holds {np.unique(target)[:9]}, predicted {predicted.shape} "
            f"{np.unique(predicted)[:9]}: {err}. Give one of each a clip, as ids from 0 to "
            f"{n_classes - 1} in the order of the labels."
        ) from err
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def recall_per_class(confusion: Counts) -> Array:
    """Return hits / clips of the class, (…, C); NaN for a class without clips."""
    return _per_class(confusion, confusion.sum(axis=-1))


def precision_per_class(confusion: Counts) -> Array:
    """Return hits / times predicted, (…, C): 0 if never, NaN for a class without clips."""
    return _per_class(confusion, confusion.sum(axis=-2))


def f1_per_class(confusion: Counts) -> Array:
    """Return 2 · hits / (clips + times predicted), (…, C); NaN for a class without clips."""
    return _per_class(confusion, (confusion.sum(axis=-1) + confusion.sum(axis=-2)) / 2)


def uar(confusion: Counts) -> Array:
    """Return the unweighted average recall, (…): the mean over classes that have clips."""
    return _mean(recall_per_class(confusion))


def macro_f1(confusion: Counts) -> Array:
    """Return the mean F1, (…), over classes that have clips."""
    return _mean(f1_per_class(confusion))


def accuracy(confusion: Counts) -> Array:
    """Return the share of clips that are right, (…): the weighted accuracy (WA)."""
    return _divide(_hits(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


@dataclass(frozen=True)
class Scores:
    """The figures of `n` clips (NaN of none); the three by label leave out the `absent` ones."""

    uar: float
    wa: float
    macro_f1: float
    n: int
    recall: dict[str, float]
    precision: dict[str, float]
    f1: dict[str, float]
    absent: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)


def score(target: Ids, predicted: Ids, labels: Sequence[str]) -> Scores:
    """Return the figures of true and predicted ids, (N,) each; a label's place is its id.

    Raises:
        ConfigError: an id that is no class, or not one target and one prediction a clip.
    """
    confusion = confusion_matrix(target, predicted, n_classes=len(labels))
    present = confusion.sum(axis=1) > 0

    def named(per_class: Array) -> dict[str, float]:
        return dict(zip(compress(labels, present), per_class[present].tolist(), strict=True))

    return Scores(
        uar=float(uar(confusion)),
        wa=float(accuracy(confusion)),
        macro_f1=float(macro_f1(confusion)),
        n=int(confusion.sum()),
        recall=named(recall_per_class(confusion)),
        precision=named(precision_per_class(confusion)),
        f1=named(f1_per_class(confusion)),
        absent=tuple(compress(labels, ~present)),
    )


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


def _hits(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _divide(over: Counts, under: Counts) -> Array:
    """Return over / under; NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.true_divide(over, under, dtype=np.float64)


def _per_class(confusion: Counts, under: Counts) -> Array:
    """Return hits / under, (…, C): 0 for 0 / 0, but NaN for a class without clips."""
    share = _hits(confusion) / np.where(under == 0, 1, under)
    return np.where(confusion.sum(axis=-1) > 0, share, np.nan)


def _mean(per_class: Array) -> Array:
    """Return the mean of what is not NaN, (…, C) -> (…); NaN of nothing."""
    known = ~np.isnan(per_class)
    return _divide(np.where(known, per_class, 0.0).sum(axis=-1), known.sum(axis=-1))
