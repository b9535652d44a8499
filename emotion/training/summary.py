"""Console summary of a run: scores with their intervals, and the path of the report."""

from emotion.data.splits.base import TEST, VAL
from emotion.runs.run import Run


def summarise_run(run: Run) -> str:
    """Return the scores of a run, one line per subset, and the path of its report."""
    lines = []
    for subset, name in ((TEST, "test"), (VAL, "validation")):
        metrics = run.metrics.get(subset)
        if not metrics:
            continue
        low, high = metrics["interval"]["uar_low"], metrics["interval"]["uar_high"]
        speakers = metrics["interval"]["speakers"]
        interval = (
            f"95 % interval over {speakers} speakers {low:.1%} to {high:.1%}"
            if low is not None
            else f"no interval: too few speakers, {speakers}"
        )
        lines.append(f"{name} UAR {metrics['uar']:.1%} ({interval}; {metrics['n']:,} clips)")
    if run.metrics and TEST not in run.metrics:
        reason = "this split has no test clips" if run.settings.test else "test=false"
        also = "" if VAL in run.metrics else ", and no validation clips"
        lines.insert(0, f"untested: {reason}{also}")
    if run.finished:
        lines.append(f"report: {run.folder / 'report.html'}")
    return "\n".join(lines)
