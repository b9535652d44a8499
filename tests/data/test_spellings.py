"""One spelling of every name in a table."""

import pandas as pd

from emotion.data.spellings import merge_spellings


def table_of(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["corpus", "speaker", "emotion"])


def test_the_most_frequent_spelling_is_shown_and_the_merge_reported() -> None:
    rows = [
        ("x", "Anna", "Angry"),
        ("x", "anna", "angry"),
        ("x", "anna\xa0", "angry "),
        ("y", "ANNA", "sad"),
    ]
    table, notes = merge_spellings(table_of(rows))
    assert list(table["speaker"]) == ["anna", "anna", "anna", "ANNA"], (
        "another corpus keeps its own"
    )
    assert list(table["emotion"]) == ["angry", "angry", "angry", "sad"]
    assert len(notes) == 2
    assert "'Angry' = 'angry' = 'angry '" in " ".join(notes)
    assert r"'anna\xa0'" in " ".join(notes)


def test_the_spelling_of_the_labels_is_taken() -> None:
    table, _ = merge_spellings(table_of([("x", "a", "ANGRY"), ("x", "a", "ANGRY")]), ["angry"])
    assert set(table["emotion"]) == {"angry"}


def test_names_without_an_equal_one_are_neither_changed_nor_reported() -> None:
    before = table_of([("x", "01", "a"), ("x", "1", "b"), ("x", "NA", "c")])
    table, notes = merge_spellings(before)
    pd.testing.assert_frame_equal(table, before)
    assert notes == []
