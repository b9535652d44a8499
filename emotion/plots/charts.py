"""SVG line charts of reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from emotion.metrics.calibration import ReliabilityCurve, RiskCoverage
from emotion.plots.confusion_matrix import SPARSE
from emotion.plots.format import percent

SIZE, SMALL = (360, 236), (200, 164)
LEFT, RIGHT, TOP, BOTTOM = 36, 10, 10, 38
"""Of a chart, in its own units, which are about the pixels of a phone."""


@dataclass(frozen=True)
class Axis:
    """One axis of a chart; `names` stand at 0, 1, 2… in place of numbers."""

    ticks: Sequence[float]
    label: str = ""
    percent: bool = False
    names: Sequence[str] = ()

    def place(self, value: float, start: float, end: float) -> float:
        """Return where a value lies between two coordinates."""
        low, high = self.ticks[0], self.ticks[-1]
        return start + (value - low) / (high - low) * (end - start)

    def text(self, number: int) -> str:
        """Return what stands beside a tick."""
        if self.names:
            return self.names[number]
        value = self.ticks[number]
        return f"{100 * value:g}" if self.percent else f"{value:g}"


SHARE = tuple(np.linspace(0, 1, 5).tolist())
"""Ticks of an axis from 0 to 100 percent."""


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart: `style` is a class of the page's CSS, `sizes` are areas of its dots."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "main"
    sizes: Sequence[float] | None = None


@dataclass(frozen=True)
class Chart:
    """A chart and what it says in words; `mark` is an x that stands out."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[ChartLine]
    says: str
    mark: float | None = None
    diagonal: bool = False
    small: bool = False

    @property
    def right(self) -> int:
        """Where the x axis ends."""
        return (SMALL if self.small else SIZE)[0] - RIGHT

    @property
    def bottom(self) -> int:
        """Where the y axis starts."""
        return (SMALL if self.small else SIZE)[1] - BOTTOM

    @property
    def svg(self) -> Markup:
        """The picture, to be put into a page as it is."""
        size = f'viewBox="0 0 {self.right + RIGHT} {self.bottom + BOTTOM}"'
        parts = [f'<svg class="chart" {size} role="img" aria-label="{escape(self.title)}">']
        parts += self._frame()
        for line in self.lines:
            parts += self._draw(line)
        return Markup("\n".join([*parts, "</svg>"]))

    def _frame(self) -> list[str]:
        """Return grid, numbers, labels, the diagonal and the mark."""
        out = []
        right, bottom = self.right, self.bottom
        for number, value in enumerate(self.y.ticks):
            at = self.y.place(value, bottom, TOP)
            out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            out.append(_text(LEFT - 6, at + 4, self.y.text(number), "end"))
        for number, value in enumerate(self.x.ticks):
            at = self.x.place(value, LEFT, right)
            edge = not self.x.names and number == len(self.x.ticks) - 1
            out.append(_text(at, bottom + 15, self.x.text(number), "end" if edge else "middle"))
        out.append(_text((LEFT + right) / 2, bottom + BOTTOM - 4, self.x.label, "middle"))
        if self.diagonal:
            out.append(f'<path class="mark" d="M{LEFT} {bottom}L{right} {TOP}"/>')
        if self.mark is not None:
            at = self.x.place(self.mark, LEFT, right)
            out.append(f'<path class="mark" d="M{at:.1f} {TOP}V{bottom}"/>')
        return out

    def _draw(self, line: ChartLine) -> list[str]:
        """Return a line and its dots; what is not a finite number is a gap."""
        points = [
            (self.x.place(x, LEFT, self.right), self.y.place(y, self.bottom, TOP), size)
            for x, y, size in zip(line.x, line.y, line.sizes or [1.0] * len(line.x), strict=True)
            if np.isfinite(x) and np.isfinite(y)
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        out = [f'<path class="line {line.style}" d="M{path}"/>'] if len(points) > 1 else []
        if line.sizes or len(points) <= SPARSE:
            out += [
                f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" '
                f'r="{1.5 + 7 * size**0.5 if line.sizes else 2.6:.1f}"/>'
                for x, y, size in points
            ]
        return out


def learning_charts(history: pd.DataFrame, *, best_epoch: int | None) -> Iterator[Chart]:
    """Yield loss and UAR over epochs, those of them that history.csv has."""
    epochs = (history["epoch"] + 1).tolist()
    x = Axis(round_ticks(1, max(epochs), whole=True), "epoch")
    for figure, title in (("loss", "Loss"), ("uar", "UAR, %")):
        lines = [
            ChartLine(name, epochs, history[f"{stage}_{figure}"].tolist(), style)
            for stage, name, style in (
                ("train", "training", "quiet"),
                ("val", "validation", "main"),
            )
            if f"{stage}_{figure}" in history
        ]
        values = [value for line in lines for value in line.y if np.isfinite(value)]
        if not values:
            continue
        scale = 100 if figure == "uar" else 1
        ends = (
            f"{line.name} {scale * line.y[0]:.3g} to {scale * line.y[-1]:.3g}" for line in lines
        )
        yield Chart(
            title=title,
            x=x,
            y=Axis(round_ticks(min(values), max(values)), percent=figure == "uar"),
            lines=lines,
            says=f"From the first epoch to the last: {', '.join(ends)}.",
            mark=None if best_epoch is None else best_epoch + 1,
        )


def reliability_chart(curve: ReliabilityCurve, *, before: ReliabilityCurve) -> Chart:
    """Return how often a model is right by how sure it is, before and after calibration."""
    sizes = (curve.count / max(1, curve.count.max())).tolist()
    return Chart(
        title="Reliability: right, %",
        x=Axis(SHARE, "probability of the answer, %", percent=True),
        y=Axis(SHARE, percent=True),
        lines=[
            ChartLine(
                "before", before.confidence.tolist(), before.accuracy.tolist(), "quiet dashed"
            ),
            ChartLine(
                "calibrated", curve.confidence.tolist(), curve.accuracy.tolist(), "main", sizes
            ),
        ],
        says="On the diagonal its probabilities can be taken at their word; below it, it is too "
        "sure. A dot's area is the number of clips.",
        diagonal=True,
    )


def abstention_chart(curve: RiskCoverage) -> Chart:
    """Return how often a model is wrong when it may leave the least sure clips unanswered."""
    half = curve.risk[min(int(np.searchsorted(curve.coverage, 0.5)), len(curve.risk) - 1)]
    return Chart(
        title="Coverage and risk: wrong, %",
        x=Axis(SHARE, "clips answered, the surest first, %", percent=True),
        y=Axis(SHARE, percent=True),
        lines=[ChartLine("of the answers", curve.coverage.tolist(), curve.risk.tolist(), "miss")],
        says=f"Of the surer half {percent(half, 0)} are wrong, of all clips "
        f"{percent(curve.risk[-1], 0)}.",
    )


def robustness_charts(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], *, clean: float
) -> Iterator[Chart]:
    """Yield a chart a perturbation: UAR by strength, beside that of the clips as they are."""
    for name, points in curves.items():
        places = list(range(len(points)))
        title, strength = name.replace("_", " "), [f"{point['strength']:g}" for point in points]
        unit = str(points[0].get("label", "")).rpartition(f" {strength[0]} ")[2]
        worst = min(points, key=lambda point: float(point["uar"]))
        yield Chart(
            title=title,
            x=Axis([-0.5, *places, len(places) - 0.5], unit, names=["", *strength, ""]),
            y=Axis(SHARE, percent=True),
            lines=[
                ChartLine("as recorded", [-0.5, len(places) - 0.5], [clean, clean], "quiet dashed"),
                ChartLine("perturbed", places, [float(point["uar"]) for point in points]),
            ],
            says=f"Lowest at {worst['strength']:g} {unit}: {percent(worst['uar'])}, "
            f"{100 * (worst['uar'] - clean):+.1f} points.".replace("-", "−"),
            small=True,
        )


def round_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round numbers from at most `low` to at least `high`, about five."""
    from matplotlib.ticker import MaxNLocator

    high = high if high > low else low + 1
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    return [round(float(tick), 12) for tick in ticks]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
