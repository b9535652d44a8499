"""Fractions are shown in percent."""

import pytest

from emotion.plots.format import percent


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.3541, "35.4 %"), (None, "–"), (float("nan"), "–"), (1, "100.0 %")]
)
def test_percent_is_a_number_or_a_dash(fraction: float | None, text: str) -> None:
    assert percent(fraction).replace("\N{NARROW NO-BREAK SPACE}", " ") == text
