"""Opinions as rows, and rows as CSV, JSON lines or a table for a person."""

import csv
import io
import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.errors import ConfigError
from emotion.runtime.predictor import Prediction
from emotion.utils.files import write_text
from emotion.utils.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

log = logging.getLogger(__name__)

Row = dict[str, Any]


def make_row(place: Mapping[str, Any], opinion: Prediction, labels: Sequence[str]) -> Row:
    """Return one row: path and what else says where, predicted, note, p_<label>…"""
    chances = zip(labels, opinion.probabilities, strict=True)
    return {
        **place,
        "predicted": opinion.predicted,
        "note": opinion.note,
        **{f"p_{label}": chance for label, chance in chances},
    }


def check_output(name: str | None, *, kinds: Sequence[str] = (".csv", ".jsonl")) -> Path | None:
    """Return the file to write, or None.

    Raises:
        ConfigError: a kind of file that is not written.
    """
    output = Path(name).expanduser() if name else None
    if output is not None and output.suffix not in kinds:
        raise ConfigError(f"output={output} must end in {' or '.join(kinds)}.")
    return output


def show(rows: Sequence[Row], output: Path | None) -> None:
    """Write rows to a file, or print a table for a person, JSON lines for a program."""
    if output is not None:
        write_text(output, as_csv(rows) if output.suffix == ".csv" else as_json_lines(rows))
        log.info("%s rows in %s", f"{len(rows):,}", output)
    elif sys.stdout.isatty():
        from rich.console import Console

        Console(markup=False, emoji=False).print(as_table(rows))
    else:
        sys.stdout.write(as_json_lines(rows))


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV, floats to the last bit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    if any("\r" in row["path"] for row in rows):  # unquoted, it would end its row
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json_lines(rows: Iterable[Row]) -> str:
    """Return rows as JSON, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_table(rows: Sequence[Row]) -> "Table":
    """Return rows as a table for a terminal, the note first."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    chances = [key for key in rows[0] if key.startswith("p_")]
    places = [key for key in ("start_s", "end_s", "speaker") if key in rows[0]]
    left = ("file", "speaker", "emotion")
    shares = [key.removeprefix("p_") for key in chances]
    for heading in ("file", *places, "emotion", *shares):
        table.add_column(heading, justify="left" if heading in left else "right")
    for row in rows:
        said = f"{row['note']} ({row['predicted']})" if row["note"] else row["predicted"]
        where = [f"{row[key]:.2f}" if key != "speaker" else row[key] for key in places]
        table.add_row(printable(row["path"]), *where, said, *(f"{row[key]:.0%}" for key in chances))
    return table
