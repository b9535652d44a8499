"""Classification metrics from arrays of class ids: fractions, unrounded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from emotion.errors import ConfigError

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]
Ids = Sequence[int] | npt.NDArray[Any]


def confusion_matrix(target: Ids, predicted: Ids, *, n_classes: int) -> Counts:
    """Return the counts of N clips, (C, C) int64: rows are true classes, columns predicted ones.

    Raises:
        ConfigError: an id is not a class, or the lengths differ.
    """
    target, predicted = np.asarray(target), np.asarray(predicted)
    try:
        if target.shape != predicted.shape:
            raise ValueError("different shapes")
        cells = np.ravel_multi_index((target, predicted), (n_classes, n_classes))
    except (TypeError, ValueError) as err:
        raise ConfigError(
            f"target {target.shape} has the values {np.unique(target)[:9]}, predicted "
            f"{predicted.shape} {np.unique(predicted)[:9]}: {err}. Give one of each a clip, as ids "
            f"from 0 to {n_classes - 1} in the order of the labels."
        ) from err
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def recall_per_class(confusion: Counts) -> Array:
    """Return true positives / clips of the class, (…, C); NaN for a class without clips."""
    return _per_class(confusion, confusion.sum(axis=-1))


def precision_per_class(confusion: Counts) -> Array:
    """Return true positives / predictions, (…, C): 0 without any; NaN for a class without clips."""
    return _per_class(confusion, confusion.sum(axis=-2))


def f1_per_class(confusion: Counts) -> Array:
    """Return 2 · true positives / (clips + predictions), (…, C); NaN for a class without clips."""
    return _per_class(confusion, (confusion.sum(axis=-1) + confusion.sum(axis=-2)) / 2)


def uar(confusion: Counts) -> Array:
    """Return the unweighted average recall, (…): the mean over classes that have clips."""
    return _mean(recall_per_class(confusion))


def macro_f1(confusion: Counts) -> Array:
    """Return the mean F1, (…), over classes that have clips."""
    return _mean(f1_per_class(confusion))


def accuracy(confusion: Counts) -> Array:
    """Return the fraction of correct predictions, (…): the weighted accuracy (WA)."""
    return divide(_true_positives(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


@dataclass(frozen=True)
class Scores:
    """Metrics of `n` clips (NaN without clips); those by label leave out the `absent` labels."""

    uar: float
    wa: float
    macro_f1: float
    n: int
    recall: dict[str, float]
    precision: dict[str, float]
    f1: dict[str, float]
    absent: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def score(target: Ids, predicted: Ids, labels: Sequence[str]) -> Scores:
    """Return the metrics of true and predicted ids, (N,) each; the index of a label is its id.

    Raises:
        ConfigError: an id is not a class, or the lengths differ.
    """
    confusion = confusion_matrix(target, predicted, n_classes=len(labels))
    present = confusion.sum(axis=1) > 0

    def by_label(per_class: Array) -> dict[str, float]:
        return dict(zip(compress(labels, present), per_class[present].tolist(), strict=True))

    return Scores(
        uar=float(uar(confusion)),
        wa=float(accuracy(confusion)),
        macro_f1=float(macro_f1(confusion)),
        n=int(confusion.sum()),
        recall=by_label(recall_per_class(confusion)),
        precision=by_label(precision_per_class(confusion)),
        f1=by_label(f1_per_class(confusion)),
        absent=tuple(compress(labels, ~present)),
    )


def _true_positives(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def divide(numerator: Counts, denominator: Counts) -> Array:
    """Return numerator / denominator as float64; NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.true_divide(numerator, denominator, dtype=np.float64)


def _per_class(confusion: Counts, total: Counts) -> Array:
    """Return true positives / total, (…, C): 0 for 0 / 0, but NaN for a class without clips."""
    ratio = _true_positives(confusion) / np.where(total == 0, 1, total)
    return np.where(confusion.sum(axis=-1) > 0, ratio, np.nan)


def _mean(per_class: Array) -> Array:
    """Return the mean of the values that are not NaN, (…, C) -> (…); NaN if all are."""
    known = ~np.isnan(per_class)
    return divide(np.where(known, per_class, 0.0).sum(axis=-1), known.sum(axis=-1))
