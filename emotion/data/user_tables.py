"""CSV tables of users: written by spreadsheets, other tools or by hand, read as text or refused."""

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion.errors import EmotionError
from emotion.utils.names import name_key

SEPARATORS = ",;\t|"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_user_table(
    path: Path, error: type[EmotionError], *, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a CSV table as text, each cell as it is written.

    The separator is a comma, semicolon, tab or bar, whichever separates the names of the header.
    Empty cells beyond the header, as of rows that end in commas, are ignored, as is a first column
    without a name. Names of `columns` are recognised in any case and with blanks around them.

    Raises:
        error: the file is not such a table; a row has more cells than the header; a column has no
            name or that of another one.
    """
    text = _read_text(path, error).lstrip("\r\n")
    separator = _separator(re.split("[\r\n]", text, maxsplit=1)[0], columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as err:
        raise error(f"{path}, line {reader.line_num}: not a CSV table ({err}).") from err
    if not rows:
        raise error(f"{path} is not a CSV table: it is empty.")
    names = _column_names(rows.pop(0)[1], path, error, columns)
    for number, row in rows:
        surplus = [cell for cell in row[len(names) :] if cell.strip()]
        if surplus:
            raise error(
                f"{path}, line {number}: {len(row)} cells, but the header has {len(names)} names. "
                f"Quote a cell that contains {separator!r}, or remove {surplus[0]!r}."
            )
    width = len(names)
    cells = [row[:width] + [""] * (width - len(row)) for _, row in rows]
    table = pd.DataFrame(cells, columns=names, dtype=object)
    return table.drop(columns="", errors="ignore")


def read_numbers(
    cells: "pd.Series[str]", where: Path, error: type[EmotionError]
) -> npt.NDArray[np.float64]:
    """Return a column as finite numbers, with a point or a comma as decimal sign: (N,).

    Raises:
        error: a cell is not a number; the message has the cell and the column.
    """
    numbers = np.empty(len(cells))
    for index, cell in enumerate(cells):
        try:
            numbers[index] = float(cell.strip().replace(",", "."))
        except ValueError:
            numbers[index] = math.nan
        if not math.isfinite(numbers[index]):
            raise error(f"{where}: {cell!r} in the column {cells.name} is not a number.")
    return numbers


def _read_text(path: Path, error: type[EmotionError]) -> str:
    data = path.read_bytes()
    if data[:2] in UTF_16:
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as err:
            raise error(f"{path} is not a CSV table ({err}).") from err
    return data.decode("utf-8-sig", errors="surrogateescape")


def _separator(header: str, columns: Sequence[str]) -> str:
    """Return the separator that finds most of the columns in a header, else most names."""

    def found(separator: str) -> tuple[int, int]:
        names = [name_key(name) for name in next(csv.reader([header], delimiter=separator), [])]
        return len(set(names) & set(columns)), len(names)

    return max(SEPARATORS, key=found)


def _column_names(
    cells: Sequence[str], path: Path, error: type[EmotionError], columns: Sequence[str]
) -> list[str]:
    names = [key if (key := name_key(cell)) in columns else cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if "" in names[1:]:  # the first is the index that pandas writes
        raise error(f"{path}: column {names.index('', 1) + 1} has no name.")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise error(f"{path} has several columns {repeated[0]!r}. Rename all but one of them.")
    return names
