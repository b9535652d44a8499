"""Columns of a study's table for readers: headings, texts, no empty column."""

import numpy as np
import pandas as pd

from emotion.experiments.study_columns import format_rows, markdown_table, study_columns


def table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"row": "cnn", "cells": "2/2", "uar": 0.5, "uar_low": 0.4, "uar_high": 0.6, "seeds": 1},
            {
                "row": "crnn",
                "cells": "1/2",
                "uar": 0.625,
                "uar_low": np.nan,
                "uar_high": np.nan,
                "seeds": 3,
                "seed_sd": 0.01,
                "difference": 0.125,
                "p_holm": 0.0004,
                "leaks": True,
                "parameters": 341158.0,
            },
        ]
    )


def test_values_are_percent_with_their_interval() -> None:
    columns = study_columns(table())
    rows = [
        dict(zip([column.heading for column in columns], row, strict=True))
        for row in format_rows(table(), columns)
    ]
    assert rows[0]["UAR"] == "50.0%"
    assert rows[0]["95 % interval"] == "40.0% to 60.0%"
    assert rows[0]["difference to first row"] == ""
    assert rows[1] == {
        "model": "crnn LEAKS",
        "UAR": "62.5%",
        "95 % interval": "",
        "seeds": "3 (± 1.0%)",
        "difference to first row": "+12.5% (no interval)",
        "p (Holm)": "<0.001",
        "parameters": "341,158",
        "cells": "1/2",
    }


def test_a_column_without_values_is_left_out() -> None:
    headings = [column.heading for column in study_columns(table())]
    assert "verdict" not in headings
    assert "protocol" not in headings
    assert "uar_low" not in headings


def test_each_corpus_has_a_column_where_there_are_several() -> None:
    one = table().assign(uar_savee=0.5)
    assert "savee" not in [column.heading for column in study_columns(one)]
    two = study_columns(one.assign(uar_tess=[0.25, None]))
    assert [column.heading for column in two if column.group == "corpus"] == ["savee", "tess"]


def test_markdown_has_a_line_per_row() -> None:
    columns = study_columns(table())
    text = markdown_table(columns, format_rows(table(), columns))
    assert text.splitlines()[0].startswith("| model | UAR | 95 % interval |")
    assert len(text.splitlines()) == 4
