"""One spelling of every name in a table of clips."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from emotion.utils.names import clean_name, name_key

MAX_NAMED = 3  # merged names that a note contains


def merge_spellings(
    table: pd.DataFrame, labels: Sequence[str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose equal names have one spelling, and notes on the names that were merged.

    The spelling is that of `labels`, else the most frequent one. Speakers and texts are compared
    within their corpus. An empty `speakers_of` becomes the corpus of its row.
    """
    table, notes = table.copy(), []
    if "speakers_of" in table:
        missing = table["speakers_of"].fillna("") == ""
        table["speakers_of"] = table["speakers_of"].mask(missing, table["corpus"])
    for column in ("corpus", "speakers_of", "emotion", "sex", "speaker", "text"):
        if column not in table:
            continue
        scope = _scope(table, column)
        rows = Counter(zip(scope, table[column], strict=True))
        groups: dict[tuple[str, str], list[str]] = {}
        for group, name in sorted(rows):
            groups.setdefault((group, name_key(name)), []).append(name)
        preferred = {"emotion": labels or (), "speakers_of": set(table["corpus"])}
        shown = {name_key(name): name for name in preferred.get(column, ())}
        spelling: dict[tuple[str, str], str] = {}
        for (group, key), names in groups.items():
            clean: Counter[str] = Counter()
            for name in names:
                clean[clean_name(name)] += rows[group, name]
            chosen = shown.get(key) or max(clean, key=clean.__getitem__)
            spelling |= {(group, name): chosen for name in names}
        shared = [spelling[pair] for pair in zip(scope, table[column], strict=True)]
        table[column] = pd.Series(shared, table.index, table[column].dtype)
        merged = [names for names in groups.values() if len(names) > 1]
        if merged:
            notes.append(_merged_note(column, merged))
    if "speakers_of" in table:
        absent = sorted(set(table["speakers_of"]).difference(table["corpus"]))
        notes += [f"speakers_of={name}: there is no clip of this corpus" for name in absent]
    return table, notes


def _scope(table: pd.DataFrame, column: str) -> list[str]:
    """Return the part of the table in which equal names of a column mean the same, by row."""
    if column == "speaker" and "speakers_of" in table:
        return list(table["speakers_of"])
    return list(table["corpus"]) if column in ("speaker", "text") else [""] * len(table)


def _merged_note(column: str, merged: Sequence[Sequence[str]]) -> str:
    named = "; ".join(" = ".join(_visible(names)) for names in merged[:MAX_NAMED])
    more = f" and {len(merged) - MAX_NAMED} more" if len(merged) > MAX_NAMED else ""
    return f"{column}: names that differ only in case, blanks or encoding are merged: {named}{more}"


def _visible(names: Sequence[str]) -> list[str]:
    """Return names quoted, with escapes where their difference would be invisible."""
    quote = repr if len({clean_name(name) for name in names}) == len(names) else ascii
    return [quote(name) for name in names]
