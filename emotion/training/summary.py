"""Console summary of a run."""

from emotion.data.splits.base import TEST, VAL
from emotion.runs.run import Run


def summary(run: Run) -> str:
    """Return what a person wants to know first of a run: its score and where its report is."""
    lines = []
    for part, name in ((TEST, "test"), (VAL, "validation")):
        figures = run.metrics.get(part)
        if not figures:
            continue
        low, high = figures["interval"]["uar_low"], figures["interval"]["uar_high"]
        speakers = figures["interval"]["speakers"]
        interval = (
            f"95 % interval over {speakers} speakers {low:.1%} to {high:.1%}"
            if low is not None
            else f"no interval: {speakers} speakers are too few"
        )
        lines.append(f"{name} UAR {figures['uar']:.1%} ({interval}; {figures['n']:,} clips)")
    if run.metrics and TEST not in run.metrics:
        told_not_to = run.config.get("test") is False
        why = "test=false" if told_not_to else "this split has no test clips"
        also = "" if VAL in run.metrics else ", nor any to validate on"
        lines.insert(0, f"untested: {why}{also}")
    if run.finished:
        lines.append(f"report: {run.folder / 'report.html'}")
    return "\n".join(lines)
