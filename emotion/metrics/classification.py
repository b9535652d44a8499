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
