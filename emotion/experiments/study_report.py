"""The page of a study: its table, and every row's interval at a glance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from emotion.plots.templates_env import load_page
from emotion.utils.files import write_text

ROW, LEFT, WIDTH = 40, 240, 700
"""Height of a row of the plot, where its axis starts, and the width of all, in its own units."""
LABEL = 34
"""Characters of a label that have room left of the axis."""
NAMED = ("protocol", "model")
SCORED = ("UAR", "95 % interval", "seeds", "WA", "macro-F1", "validation UAR")
COMPARED = ("against the first", "p (Holm)", "verdict", "chosen", "recorded UAR", "agreement")
COUNTED = ("speakers", "clips", "test accesses", "parameters", "seconds", "cells")
"""Which columns name a row, and which stand together in a table; all others are corpora."""


def write_study_page(
    folder: Path,
    table: pd.DataFrame,
    *,
    head: Sequence[str],
    cells: Sequence[Sequence[str]],
    settings: str,
    runs: Sequence[str],
) -> None:
    """Write report.html of a study.

    Args:
        folder: the study's.
        table: a row a model, with row, uar, uar_low, uar_high, seeds and leaks where known.
        head: headings of the table for people.
        cells: its rows, as text.
        settings: what all cells share, in words.
        runs: names of the cells that are finished.
    """
    page = load_page("study.html").render(
        name=folder.name,
        rows=len(table),
        settings=settings,
        leaks=bool("leaks" in table and (table["leaks"] == True).any()),  # noqa: E712 - may be NaN
        several_seeds=bool("seeds" in table and (table["seeds"].fillna(0) > 1).any()),
        chart=plot_intervals(table),
        tables=_divided(head, cells),
        runs=runs,
    )
    write_text(folder / "report.html", page)


def _divided(
    head: Sequence[str], cells: Sequence[Sequence[str]]
) -> list[tuple[list[str], list[list[str]]]]:
    """Return tables that fit a page, headings and rows of each; the first column names a row."""
    named = [place for place, name in enumerate(head) if name in NAMED]
    corpora = [name for name in head if name not in (*NAMED, *SCORED, *COMPARED, *COUNTED)]
    tables = []
    for wanted in (SCORED, corpora, COMPARED, COUNTED):
        places = [place for place, name in enumerate(head) if name in wanted]
        if places:
            heading = ["UAR by corpus" if wanted is corpora else " · ".join(head[n] for n in named)]
            rows = [
                [" · ".join(row[n] for n in named), *(row[place] for place in places)]
                for row in cells
            ]
            tables.append(([*heading, *(head[place] for place in places)], rows))
    return tables


def _label(row: dict[Any, Any], y: float) -> str:
    """Return the words left of a row's line: its name, under its protocol where there are some."""
    lines = [str(row[name]) for name in ("protocol", "row") if name in row]
    first = y + 4 - 7 * (len(lines) - 1)
    return "".join(
        f'<text x="0" y="{first + 15 * number:.0f}" '
        f'fill-opacity="{0.65 if number < len(lines) - 1 else 1}">'
        f"{escape(line if len(line) <= LABEL else line[: LABEL - 1] + '…')}</text>"
        for number, line in enumerate(lines)
    )


def plot_intervals(table: pd.DataFrame) -> Markup:
    """Return an SVG with a line a row: its UAR and its interval, from 0 to 100 percent."""
    height = ROW * (len(table) + 1)
    span = WIDTH - LEFT - 20

    def place(share: float) -> float:
        return LEFT + share * span

    marks = [
        f'<line x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="0" y2="{height - ROW + 4}" '
        f'stroke="currentColor" stroke-opacity=".15"/><text x="{place(tick):.1f}" '
        f'y="{height - 10}" text-anchor="middle">{100 * tick:.0f}</text>'
        for tick in (0, 0.2, 0.4, 0.6, 0.8, 1)
    ]
    for number, row in enumerate(table.to_dict("records")):
        y = ROW * (number + 0.5)
        marks.append(_label(row, y))
        low, high, share = (row.get(name, np.nan) for name in ("uar_low", "uar_high", "uar"))
        if not pd.isna(low):
            marks.append(
                f'<line x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{y}" y2="{y}" '
                'stroke="currentColor" stroke-width="3" stroke-opacity=".45"/>'
            )
        if not pd.isna(share):
            marks.append(f'<circle cx="{place(share):.1f}" cy="{y}" r="5" fill="currentColor"/>')
    said = "; ".join(
        f"{row['row']} {row['uar']:.1%}"
        for row in table.to_dict("records")
        if not pd.isna(row.get("uar"))
    )
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="UAR in percent: '
        f'{escape(said)}" font-size="13" fill="currentColor" '
        f'style="max-width:{WIDTH}px;width:100%">{"".join(marks)}</svg>'
    )
