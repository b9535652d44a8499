"""Tables as CSV files, whole or not there, in which every text stays what it is."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from emotion.utils.files import write_text

# Python's own texts hold any file name; Arrow's, which pandas takes where it finds pyarrow, only
# those that are UTF-8.
pd.set_option("mode.string_storage", "python")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV, floats to the last bit, whole or not at all."""
    text = table.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # a name of a file may hold one, and unquoted it would end its row
        text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
    write_text(path, text)


def read_table(path: Path, numbers: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return a CSV in which every column is text but those in `numbers` (name: dtype).

    Text stays what it is: speaker 01 is no 1, and a speaker called NA is there.
    """
    numbers = numbers or {}
    table = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,
        encoding_errors="surrogateescape",
    )
    present = {name: dtype for name, dtype in numbers.items() if name in table}
    for name, dtype in present.items():
        table[name] = table[name].to_numpy(dtype=object).astype(dtype)  # exact, by Python's float
    return table
