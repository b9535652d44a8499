"""Write rows of predictions as CSV, JSON lines or a terminal table."""

import csv
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import ConfigError
from emotion.runtime.rows import Row, as_json_lines
from emotion.utils.files import write_text
from emotion.utils.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

log = logging.getLogger(__name__)


def check_output(name: str | None, *, kinds: Sequence[str] = (".csv", ".jsonl")) -> Path | None:
    """Return the file to write, or None; raise a ConfigError for an unsupported file type."""
    output = Path(name).expanduser() if name else None
    if output is not None and output.suffix not in kinds:
        raise ConfigError(f"output={output} must end in {' or '.join(kinds)}.")
    return output


def write_or_print_rows(rows: Sequence[Row], output: Path | None) -> None:
    """Write rows to the output file; without one, print a table, or JSON lines into a pipe."""
    if output is not None:
        write_text(output, as_csv(rows) if output.suffix == ".csv" else as_json_lines(rows))
        log.info("%s rows in %s", f"{len(rows):,}", output)
    elif sys.stdout.isatty():
        from rich.console import Console

        Console(markup=False, emoji=False).print(as_table(rows))
    else:
        sys.stdout.write(as_json_lines(rows))


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV, with floats in full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    if any("\r" in row["path"] for row in rows):  # an unquoted \r would end the row
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_table(rows: Sequence[Row]) -> "Table":
    """Return rows as a terminal table; the emotion column starts with the note, if any."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    times = [key for key in ("start_s", "end_s") if key in rows[0]]
    speaker = [key for key in ("speaker",) if key in rows[0]]
    probabilities = [key for key in rows[0] if key.startswith("p_")]
    for heading in ("file", *times, *speaker, "emotion"):
        table.add_column(heading, justify="right" if heading in times else "left")
    for key in probabilities:
        table.add_column(key.removeprefix("p_"), justify="right")
    for row in rows:
        table.add_row(
            printable(row["path"]),
            *(f"{row[key]:.2f}" for key in times),
            *(row[key] for key in speaker),
            f"{row['note']} ({row['predicted']})" if row["note"] else row["predicted"],
            *(f"{row[key]:.0%}" for key in probabilities),
        )
    return table
