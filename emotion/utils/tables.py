"""Tables as CSV files: written atomically, and read without any conversion of text."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from emotion.utils.files import write_text

# Python strings can contain any file name; Arrow strings, which pandas prefers where pyarrow is
# installed, only valid UTF-8.
pd.set_option("mode.string_storage", "python")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV atomically, with floats at full precision."""
    text = table.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # in a file name; unquoted, it would end the row
        text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
    write_text(path, text)


def read_table(path: Path, numbers: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return a CSV as a table of strings, except for the columns in `numbers` (name: dtype).

    Strings are not converted: speaker 01 does not become 1, nor speaker NA a missing value.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
    for name, dtype in (numbers or {}).items():
        if name in table:  # exact: parsed by Python's float
            table[name] = table[name].to_numpy(dtype=object).astype(dtype)
    return table
