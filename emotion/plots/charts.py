"""SVG charts for pages: lines over an axis, and intervals one below the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from emotion.metrics.calibration import ReliabilityCurve, RiskCoverage
from emotion.plots.format import percent

SIZE, SMALL = (360, 236), (200, 164)
LEFT, RIGHT, TOP, BOTTOM = 36, 10, 10, 38
"""Sizes and margins of a line chart in its own units, about the pixels of a phone."""

ROW_HEIGHT, NAME_WIDTH, INTERVALS_WIDTH, MAX_NAME = 40, 240, 700, 34
"""Of an interval chart: units a row, units left of the axis, all units, characters of a name."""


@dataclass(frozen=True)
class Axis:
    """One axis of a chart; `names` replace the numbers beside the ticks."""

    ticks: Sequence[float]
    label: str = ""
    percent: bool = False
    names: Sequence[str] = ()

    def position(self, value: float, start: float, end: float) -> float:
        """Return the coordinate of a value, where the axis spans `start` to `end`."""
        low, high = self.ticks[0], self.ticks[-1]
        return start + (value - low) / (high - low) * (end - start)

    def tick_label(self, index: int) -> str:
        """Return the text beside a tick."""
        if self.names:
            return self.names[index]
        return f"{self.ticks[index] * (100 if self.percent else 1):g}"


PERCENT_AXIS = Axis(np.linspace(0, 1, 5).tolist(), percent=True)


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
    """A line chart and its caption; `mark` is the x of a vertical line."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[ChartLine]
    caption: str
    mark: float | None = None
    diagonal: bool = False
    small: bool = False

    @property
    def right(self) -> int:
        """The x coordinate at which the x axis ends."""
        return (SMALL if self.small else SIZE)[0] - RIGHT

    @property
    def bottom(self) -> int:
        """The y coordinate at which the y axis starts."""
        return (SMALL if self.small else SIZE)[1] - BOTTOM

    @property
    def svg(self) -> Markup:
        """The chart as SVG, to be put into a page unescaped."""
        size = f'viewBox="0 0 {self.right + RIGHT} {self.bottom + BOTTOM}"'
        head = f'<svg class="chart" {size} role="img" aria-label="{escape(self.title)}">'
        lines = [element for line in self.lines for element in self._line(line)]
        return Markup("\n".join([head, *self._frame(), *lines, "</svg>"]))

    def _frame(self) -> list[str]:
        """Return the grid, tick labels, axis label, diagonal and mark."""
        out, right, bottom = [], self.right, self.bottom
        for index, value in enumerate(self.y.ticks):
            at = self.y.position(value, bottom, TOP)
            out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            out.append(_text(LEFT - 6, at + 4, self.y.tick_label(index), "end"))
        for index, value in enumerate(self.x.ticks):
            at = self.x.position(value, LEFT, right)
            last = not self.x.names and index == len(self.x.ticks) - 1
            anchor = "end" if last else "middle"
            out.append(_text(at, bottom + 15, self.x.tick_label(index), anchor))
        out.append(_text((LEFT + right) / 2, bottom + BOTTOM - 4, self.x.label, "middle"))
        if self.diagonal:
            out.append(f'<path class="mark" d="M{LEFT} {bottom}L{right} {TOP}"/>')
        if self.mark is not None:
            at = self.x.position(self.mark, LEFT, right)
            out.append(f'<path class="mark" d="M{at:.1f} {TOP}V{bottom}"/>')
        return out

    def _line(self, line: ChartLine) -> list[str]:
        """Return a line and its dots; values that are not finite are gaps."""
        points = [
            (self.x.position(x, LEFT, self.right), self.y.position(y, self.bottom, TOP), size)
            for x, y, size in zip(line.x, line.y, line.sizes or [1.0] * len(line.x), strict=True)
            if np.isfinite(x) and np.isfinite(y)
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        out = [f'<path class="line {line.style}" d="M{path}"/>'] if len(points) > 1 else []
        if line.sizes or len(points) <= 12:  # few points have a dot each
            out += [
                f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" '
                f'r="{1.5 + 7 * size**0.5 if line.sizes else 2.6:.1f}"/>'
                for x, y, size in points
            ]
        return out


def learning_charts(history: pd.DataFrame, *, best_epoch: int | None) -> Iterator[Chart]:
    """Yield the charts of loss and UAR over epochs, for the columns that history.csv has."""
    epochs = (history["epoch"] + 1).tolist()
    x = Axis(round_ticks(1, max(epochs), whole=True), "epoch")
    stages = (("train", "training", "quiet"), ("val", "validation", "main"))
    for metric, title in (("loss", "Loss"), ("uar", "UAR, %")):
        lines = [
            ChartLine(name, epochs, history[f"{stage}_{metric}"].tolist(), style)
            for stage, name, style in stages
            if f"{stage}_{metric}" in history
        ]
        values = [value for line in lines for value in line.y if np.isfinite(value)]
        if not values:
            continue
        scale = 100 if metric == "uar" else 1
        ends = [f"{it.name} {scale * it.y[0]:.3g} to {scale * it.y[-1]:.3g}" for it in lines]
        yield Chart(
            title=title,
            x=x,
            y=Axis(round_ticks(min(values), max(values)), percent=metric == "uar"),
            lines=lines,
            caption=f"From the first epoch to the last: {', '.join(ends)}.",
            mark=None if best_epoch is None else best_epoch + 1,
        )


def reliability_chart(curve: ReliabilityCurve, *, before: ReliabilityCurve) -> Chart:
    """Return the reliability diagram: accuracy by confidence, before and after calibration."""
    sizes = (curve.count / max(1, curve.count.max())).tolist()
    x, y = curve.confidence.tolist(), curve.accuracy.tolist()
    x_before, y_before = before.confidence.tolist(), before.accuracy.tolist()
    return Chart(
        title="Reliability: accuracy, %",
        x=replace(PERCENT_AXIS, label="probability of the predicted class, %"),
        y=PERCENT_AXIS,
        lines=[
            ChartLine("before", x_before, y_before, "quiet dashed"),
            ChartLine("calibrated", x, y, "main", sizes),
        ],
        caption="On the diagonal, probabilities equal accuracies; below it, the model is "
        "overconfident. The area of a dot is the number of clips.",
        diagonal=True,
    )


def abstention_chart(curve: RiskCoverage) -> Chart:
    """Return the error rate by coverage, where the model abstains on the least confident clips."""
    half = curve.risk[min(int(np.searchsorted(curve.coverage, 0.5)), len(curve.risk) - 1)]
    return Chart(
        title="Risk and coverage: errors, %",
        x=replace(PERCENT_AXIS, label="coverage: clips, most confident first, %"),
        y=PERCENT_AXIS,
        lines=[ChartLine("errors", curve.coverage.tolist(), curve.risk.tolist(), "miss")],
        caption=f"Errors among the more confident half of the clips: {percent(half, 0)}; among all "
        f"clips: {percent(curve.risk[-1], 0)}.",
    )


def robustness_charts(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], *, clean: float
) -> Iterator[Chart]:
    """Yield a chart a perturbation: UAR by strength, and UAR of the unchanged clips as a line."""
    for name, points in curves.items():
        ends, positions = [-0.5, len(points) - 0.5], list(range(len(points)))
        title, strength = name.replace("_", " "), [f"{point['strength']:g}" for point in points]
        unit = str(points[0].get("label", "")).rpartition(f" {strength[0]} ")[2]
        worst = min(points, key=lambda point: float(point["uar"]))
        yield Chart(
            title=title,
            x=Axis([ends[0], *positions, ends[1]], unit, names=["", *strength, ""]),
            y=PERCENT_AXIS,
            lines=[
                ChartLine("unchanged", ends, [clean, clean], "quiet dashed"),
                ChartLine("perturbed", positions, [float(point["uar"]) for point in points]),
            ],
            caption=f"Lowest at {worst['strength']:g} {unit}: {percent(worst['uar'])}, "
            f"{100 * (worst['uar'] - clean):+.1f} points.".replace("-", "−"),
            small=True,
        )


def interval_chart(
    names: Sequence[Sequence[str]], values: Sequence[Sequence[float]], *, title: str
) -> Markup:
    """Return an SVG with a row for each interval, over an axis from 0 to 100 percent.

    Args:
        names: lines of text left of each row, the last one in full ink.
        values: estimate, low and high of each row as fractions; NaN where unknown.
        title: read by screen readers.
    """
    axis = Axis(np.linspace(0, 1, 6).tolist(), percent=True)
    right, bottom = INTERVALS_WIDTH - 20, ROW_HEIGHT * len(names) + 4
    size = f'viewBox="0 0 {INTERVALS_WIDTH} {bottom + 26}"'
    parts = [f'<svg class="chart intervals" {size} role="img" aria-label="{escape(title)}">']
    for index, tick in enumerate(axis.ticks):
        x = axis.position(tick, NAME_WIDTH, right)
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{bottom}"/>')
        parts.append(_text(x, bottom + 20, axis.tick_label(index), "middle"))
    for row, (lines, (estimate, low, high)) in enumerate(zip(names, values, strict=True)):
        y = ROW_HEIGHT * (row + 0.5)
        for index, line in enumerate(lines):
            short = line if len(line) <= MAX_NAME else line[: MAX_NAME - 1] + "…"
            height = y + 4 + 15 * index - 7 * (len(lines) - 1)
            parts.append(_text(0, height, short, "start", ink=index == len(lines) - 1))
        if np.isfinite(low):
            start, end = (axis.position(bound, NAME_WIDTH, right) for bound in (low, high))
            parts.append(f'<path class="interval" d="M{start:.1f} {y}H{end:.1f}"/>')
        if np.isfinite(estimate):
            x = axis.position(estimate, NAME_WIDTH, right)
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="5"/>')
    return Markup("\n".join([*parts, "</svg>"]))


def round_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return about five round numbers, the first at most `low` and the last at least `high`."""
    from matplotlib.ticker import MaxNLocator

    high = high if high > low else low + 1
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    return [round(float(tick), 12) for tick in ticks]


def _text(x: float, y: float, text: str, anchor: str, *, ink: bool = False) -> str:
    start = '<text class="ink"' if ink else "<text"
    return f'{start} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
