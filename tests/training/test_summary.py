"""The console summary of a run."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emotion.config.composition import compose
from emotion.training.summary import summarise_run

SETTINGS = compose("train", []).settings


def summary(metrics: dict[str, Any], *, test: bool = True, finished: bool = True) -> str:
    """Return the summary of a run with these metrics."""
    run = SimpleNamespace(
        folder=Path("run"),
        metrics=metrics,
        settings=replace(SETTINGS, test=test),
        finished=finished,
    )
    return summarise_run(run)  # type: ignore[arg-type]


def scores(low: float | None, high: float | None) -> dict[str, Any]:
    interval = {"uar_low": low, "uar_high": high, "speakers": 4 if low is None else 8}
    return {"uar": 0.712, "n": 1234, "interval": interval}


def test_scores_have_an_interval_or_the_reason_for_none() -> None:
    assert summary({"test": scores(0.6, 0.8), "val": scores(None, None)}).splitlines() == [
        "test UAR 71.2% (95 % interval over 8 speakers 60.0% to 80.0%; 1,234 clips)",
        "validation UAR 71.2% (no interval: too few speakers, 4; 1,234 clips)",
        "report: run/report.html",
    ]


@pytest.mark.parametrize(
    ("metrics", "test", "line"),
    [
        ({"val": scores(0.6, 0.8)}, True, "untested: this split has no test clips"),
        ({"val": scores(0.6, 0.8)}, False, "untested: test=false"),
        ({"leaks": False}, True, "untested: this split has no test clips, and no validation clips"),
    ],
)
def test_an_untested_run_gives_the_reason(metrics: dict[str, Any], test: bool, line: str) -> None:
    assert summary(metrics, test=test).splitlines()[0] == line


def test_a_run_without_metrics_has_no_summary() -> None:
    assert summary({}, finished=False) == ""
