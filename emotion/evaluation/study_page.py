"""The page of a study: its table, and every row's interval at a glance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from emotion.evaluation.pages import load_page
from emotion.files import write_text

ROW, LEFT, WIDTH = 34, 190, 640
"""Height of a row of the plot, where its axis starts, and the width of all, in its own units."""


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
        rows=table["row"].tolist(),
        settings=settings,
        leaks=bool("leaks" in table and (table["leaks"] == True).any()),  # noqa: E712 - may be NaN
        several_seeds=bool("seeds" in table and (table["seeds"].fillna(0) > 1).any()),
        chart=plot_intervals(table),
        head=head,
        cells=cells,
        runs=runs,
    )
    write_text(folder / "report.html", page)


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
        marks.append(f'<text x="0" y="{y + 4:.0f}">{escape(str(row["row"])[:26])}</text>')
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
