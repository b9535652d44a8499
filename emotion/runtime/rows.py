"""Predictions as rows: the columns of CSV files and JSON lines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emotion.runtime.predictor import Prediction

Row = dict[str, Any]


def prediction_row(source: Mapping[str, Any], prediction: Prediction, labels: Sequence[str]) -> Row:
    """Return a row: the columns of its source, such as path, then predicted, note, p_<label>…"""
    row = {**source, "predicted": prediction.predicted, "note": prediction.note}
    probabilities = zip(labels, prediction.probabilities, strict=True)
    return row | {f"p_{label}": probability for label, probability in probabilities}


def as_json_lines(rows: Iterable[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
