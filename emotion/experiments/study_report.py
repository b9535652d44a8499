"""Report of a study: its table, and the interval of every row as a chart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from emotion.experiments.study_columns import UAR_KEYS, Column, Group
from emotion.plots.charts import interval_chart
from emotion.plots.templates_env import load_page
from emotion.utils.files import write_text

GROUPS: tuple[Group, ...] = ("score", "corpus", "comparison", "count")
"""Groups of columns, each a table of its own that fits the width of a page."""


def write_study_report(
    folder: Path,
    table: pd.DataFrame,
    *,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    settings: str,
    runs: Sequence[str],
) -> None:
    """Write report.html of a study.

    `table` has one row per model: row, uar, uar_low, uar_high, seeds, leaks; `columns` and `rows`
    are the table for readers; `settings` are shared by all cells; `runs` are finished cells.
    """
    page = load_page("study.html").render(
        name=folder.name,
        rows=len(table),
        settings=settings,
        leaks=bool("leaks" in table and (table["leaks"] == True).any()),  # noqa: E712 - may be NaN
        several_seeds=bool("seeds" in table and (table["seeds"].fillna(0) > 1).any()),
        chart=_interval_chart(table),
        tables=_group_tables(columns, rows),
        runs=runs,
    )
    write_text(folder / "report.html", page)


def _group_tables(
    columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> list[tuple[list[str], list[list[str]]]]:
    """Return the headings and rows of a table for each group; its first column names the row."""

    def cells(values: Sequence[str], group: Group) -> list[str]:
        return [text for text, column in zip(values, columns, strict=True) if column.group == group]

    headings = [column.heading for column in columns]
    tables = []
    for group in GROUPS:
        if own := cells(headings, group):
            name = "UAR by corpus" if group == "corpus" else " · ".join(cells(headings, "name"))
            body = [[" · ".join(cells(row, "name")), *cells(row, group)] for row in rows]
            tables.append(([name, *own], body))
    return tables


def _interval_chart(table: pd.DataFrame) -> Markup:
    """Return an SVG of the UAR of each row and its interval."""
    rows = table.reindex(columns=list(dict.fromkeys([*table.columns, *UAR_KEYS])))
    known = rows[~rows["uar"].isna()]
    scores = [f"{row} {uar:.1%}" for row, uar in zip(known["row"], known["uar"], strict=True)]
    names = table[[name for name in ("protocol", "row") if name in table]].astype(str)
    return interval_chart(
        names.to_numpy().tolist(),
        rows[list(UAR_KEYS)].to_numpy(float, na_value=np.nan).tolist(),
        title=f"UAR in percent: {'; '.join(scores)}",
    )
