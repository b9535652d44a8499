"""Tables as CSV: strings and floats survive a round trip unchanged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.utils.tables import read_table, write_table


@pytest.mark.parametrize("name", ["a\rb", "a\nb", 'a"b,c', "\udce9", "NA", " a ", "\ufeffa", "🎉"])
def test_any_file_name_survives_a_round_trip(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"path": [name, "plain"], "n": [1, 2]})
    write_table(tmp_path / "a.csv", table)
    assert list(read_table(tmp_path / "a.csv")["path"]) == [name, "plain"]


def test_numbers_are_read_only_where_asked_for_and_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(50)
    write_table(tmp_path / "a.csv", pd.DataFrame({"speaker": ["01"] * 50, "p": values}))
    table = read_table(tmp_path / "a.csv", {"p": "float64", "absent": "int64"})
    assert list(table) == ["speaker", "p"]
    assert set(table["speaker"]) == {"01"}
    assert (table["p"].to_numpy() == values).all()
