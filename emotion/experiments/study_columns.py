"""Columns of a study's table as readers see them: heading, group and text of each value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Row = Mapping[Any, Any]
Group = Literal["name", "score", "corpus", "comparison", "count"]

UAR_KEYS = ("uar", "uar_low", "uar_high")


@dataclass(frozen=True)
class Column:
    """A column of the table for readers; columns of one group stand together on the page."""

    key: str  # the column of table.csv that it shows
    heading: str
    group: Group
    format: Callable[[Row], str]  # returns the text of a row, empty where the value is missing


def study_columns(table: pd.DataFrame) -> list[Column]:
    """Return the columns of a study's table for readers, without empty ones."""
    names = [str(name) for name in table if str(name).startswith("uar_") and name not in UAR_KEYS]
    corpora = names if len(names) > 1 else []
    columns = [
        _text("protocol", "protocol", "name"),
        Column("row", "model", "name", _row_name),
        _percent("uar", "UAR", "score"),
        Column("uar_low", "95 % interval", "score", lambda row: _interval(row, "uar")),
        Column("seeds", "seeds", "score", _seeds),
        _percent("wa", "WA", "score"),
        _percent("macro_f1", "macro-F1", "score"),
        _percent("val_uar", "validation UAR", "score"),
        *(_percent(name, name.removeprefix("uar_"), "corpus") for name in corpora),
        Column("difference", "difference to first row", "comparison", _difference),
        Column("p_holm", "p (Holm)", "comparison", _p_value),
        _text("verdict", "verdict", "comparison"),
        _text("chosen", "chosen", "comparison"),
        _count("speakers", "speakers"),
        _count("clips", "clips"),
        _count("test_accesses", "test accesses"),
        _count("parameters", "parameters"),
        _count("seconds", "seconds"),
        _text("cells", "cells", "count"),
        _percent("recorded_uar", "recorded UAR", "comparison"),
        _text("recorded", "agreement", "comparison"),
    ]
    rows = table.to_dict("records")
    return [column for column in columns if any(column.format(row) for row in rows)]


def format_rows(table: pd.DataFrame, columns: Sequence[Column]) -> list[list[str]]:
    """Return the texts of a table, one list per row."""
    return [[column.format(row) for column in columns] for row in table.to_dict("records")]


def markdown_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    head = "| " + " | ".join(column.heading for column in columns) + " |"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(columns), *lines])


def is_missing(value: object) -> bool:
    """Return whether a value of a table is missing."""
    return value is None or (isinstance(value, float) and value != value)


def _text(key: str, heading: str, group: Group) -> Column:
    return Column(key, heading, group, lambda row: _known(row, key, str))


def _percent(key: str, heading: str, group: Group) -> Column:
    return Column(key, heading, group, lambda row: _known(row, key, "{:.1%}".format))


def _count(key: str, heading: str) -> Column:
    return Column(key, heading, "count", lambda row: _known(row, key, lambda n: f"{int(n):,}"))


def _known(row: Row, key: str, form: Callable[[Any], str]) -> str:
    value = row.get(key)
    return "" if is_missing(value) else form(value)


def _row_name(row: Row) -> str:
    return f"{row['row']} LEAKS" if row.get("leaks") is True else str(row["row"])


def _interval(row: Row, key: str, sign: str = "") -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    return "" if is_missing(low) else f"{low:{sign}.1%} to {high:{sign}.1%}"


def _seeds(row: Row) -> str:
    seeds = _known(row, "seeds", lambda n: f"{int(n)}")
    return seeds + _known(row, "seed_sd", " (± {:.1%})".format)


def _difference(row: Row) -> str:
    difference = _known(row, "difference", "{:+.1%}".format)
    return difference and f"{difference} ({_interval(row, 'difference', '+') or 'no interval'})"


def _p_value(row: Row) -> str:
    return _known(row, "p_holm", lambda p: f"{p:.3f}" if p >= 0.001 else "<0.001")
