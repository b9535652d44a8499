"""SVG charts escape their text and leave gaps for missing values."""

import numpy as np
import pandas as pd
import pytest

from emotion.metrics.calibration import reliability_curve, risk_coverage
from emotion.plots.charts import (
    MAX_NAME,
    Axis,
    Chart,
    ChartLine,
    abstention_chart,
    interval_chart,
    learning_charts,
    reliability_chart,
    robustness_charts,
    round_ticks,
)


def test_chart_leaves_gaps_and_escapes_its_text() -> None:
    line = ChartLine("a", [0, 1, 2], [0, np.nan, 1])
    chart = Chart("<t>", Axis([0, 2]), Axis([0, 1]), [line], caption="")
    assert chart.svg.count("<circle") == 2
    assert "nan" not in chart.svg
    assert "<t>" not in chart.svg


@pytest.mark.parametrize(("low", "high"), [(0.21, 0.35), (3.0, 3.0), (-2, 700), (1e-4, 1e-3)])
def test_ticks_span_their_range(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 8


def test_learning_charts_are_those_of_the_columns() -> None:
    history = pd.DataFrame({"epoch": [0, 1], "train_loss": [1.5, 1.2], "val_uar": [np.nan, np.nan]})
    (chart,) = learning_charts(history, best_epoch=1)
    assert (chart.title, chart.mark) == ("Loss", 2)
    assert chart.caption.endswith("training 1.5 to 1.2.")


def test_calibration_charts_have_points_within_the_axes() -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    curve = reliability_curve(p, [0, 1, 1])
    assert reliability_chart(curve, before=curve).svg.count("<circle") == 6
    assert "all clips: 33" in abstention_chart(risk_coverage(p, [0, 1, 1])).caption


def test_robustness_chart_names_the_worst_strength() -> None:
    points = [
        {"strength": x, "uar": y, "label": f"gain {x} dB"} for x, y in ((-10, 0.3), (10, 0.4))
    ]
    (chart,) = robustness_charts({"gain": points}, clean=0.5)
    caption = chart.caption.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert caption == "Lowest at −10 dB: 30.0 %, −20.0 points."


def test_interval_chart_has_a_row_for_each_name_and_no_mark_for_missing_values() -> None:
    names = [["speaker", "a<b"], ["speaker", "n" * 50]]
    svg = interval_chart(names, [[0.5, 0.4, 0.6], [np.nan] * 3], title="UAR")
    assert svg.count("<circle") == svg.count('class="interval"') == 1
    assert "a&lt;b" in svg
    assert "n" * (MAX_NAME - 1) + "…" in svg
    assert "nan" not in svg
