"""Tables of spreadsheets and other tools are read as they were meant, or refused."""

from pathlib import Path

import pandas as pd
import pytest

from emotion.data.user_tables import read_numbers, read_user_table
from emotion.errors import CorpusError

COLUMNS = ("path", "emotion", "speaker")
ROWS = [["a.wav", "angry", "01"], ["b.wav", "sad", "NA"]]


def read(tmp_path: Path, content: str | bytes) -> pd.DataFrame:
    file = tmp_path / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_user_table(file, CorpusError, columns=COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        "path,emotion,speaker\na.wav,angry,01\nb.wav,sad,NA\n",
        "path,emotion,speaker\na.wav,angry,01,\nb.wav,sad,NA,\n",
        "path,emotion,speaker,\na.wav,angry,01,\nb.wav,sad,NA,\n",
        "path,emotion,speaker,,\na.wav,angry,01\nb.wav,sad,NA,,,\n,,,\n",
        "path;emotion;speaker\na.wav;angry;01\nb.wav;sad;NA\n",
        "path\temotion\tspeaker\r\na.wav\tangry\t01\r\nb.wav\tsad\tNA\r\n",
        "path|emotion|speaker\na.wav|angry|01\nb.wav|sad|NA\n",
        "\ufeffPath, Emotion , SPEAKER\na.wav,angry,01\nb.wav,sad,NA",
        ",path,emotion,speaker\n0,a.wav,angry,01\n1,b.wav,sad,NA\n",
        '\n"path","emotion","speaker"\n"a.wav","angry","01"\n\n"b.wav","sad","NA"\n',
        "path\temotion\tspeaker\na.wav\tangry\t01\nb.wav\tsad\tNA\n".encode("utf-16"),
        "path,emotion,speaker\ra.wav,angry,01\rb.wav,sad,NA\r",
    ],
)  # fmt: skip
def test_a_table_means_the_same_however_a_program_writes_it(
    tmp_path: Path, content: str | bytes
) -> None:
    table = read(tmp_path, content)
    assert list(table) == list(COLUMNS)
    assert table.to_numpy().tolist() == ROWS


def test_cells_are_text_as_they_are_written(tmp_path: Path) -> None:
    cells = ["01", "1e3", "nan", "true", "=SUM(A1)", "a;b", 'say "x"', "NA", " x ", "C:\\a\\b"]
    lines = "\n".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    assert list(read(tmp_path, f"path\n{lines}\n")["path"]) == cells


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,emotion\na.wav,sad\nb,c.wav,sad\n", "line 3: 3 cells, .*Quote.* contains ','"),
        ("path,emotion,\na.wav,sad,x\n", "line 2: 3 cells"),
        ("path,,emotion\na.wav,,sad\n", "column 2 has no name"),
        ("path,emotion,Emotion\na.wav,sad,sad\n", "several columns 'emotion'"),
        ("", "is empty"),
        ('path,emotion\n"a.wav,sad\n', "line 2: not a CSV table"),
    ],
)  # fmt: skip
def test_a_table_with_two_readings_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, content)


def test_numbers_may_have_a_decimal_comma() -> None:
    cells = pd.Series(["0,25", " .5", "1e-3"], name="p_sad")
    assert list(read_numbers(cells, Path("x.csv"), CorpusError)) == [0.25, 0.5, 0.001]


@pytest.mark.parametrize("cell", ["", "nan", "inf", "1.000,5", "x"])
def test_what_is_not_a_number_is_refused(cell: str) -> None:
    with pytest.raises(CorpusError, match=r"x\.csv: '.*' in the column p_sad is not a number"):
        read_numbers(pd.Series([cell], name="p_sad"), Path("x.csv"), CorpusError)
