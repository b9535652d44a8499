"""How clips are cut into parts: by speaker, by text, each part as even as can be."""

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

ENOUGH_SPEAKERS = 4
"""From this many training speakers on, validation has speakers of its own."""

Labels = pd.Series  # a value a row of a table


def pick_speakers(clips: pd.DataFrame, fraction: float, *, seed: int) -> list[str]:
    """Return a share of a corpus' speakers, at least one and not all, drawn evenly by sex."""
    sexes = clips.groupby("speaker")["sex"].first()
    wanted = min(max(1, round(fraction * len(sexes))), len(sexes) - 1)
    rng = np.random.default_rng(seed)
    drawn = pd.Series(rng.permutation(sexes.index))
    # Each speaker's place among those of the same sex, as a share: the smallest shares come first.
    sex = drawn.map(sexes)
    share = (drawn.groupby(sex).cumcount() + 0.5) / sex.map(sex.value_counts())
    return [str(name) for name in drawn[share.argsort(kind="stable").to_numpy()][:wanted]]


def cut_validation(
    clips: pd.DataFrame, fraction: float, *, seed: int
) -> tuple[pd.Index, list[str]]:
    """Return the rows of one corpus' training clips that validate, and notes on how they were cut.

    By speaker where four or more are there; else by text, within the speakers.
    """
    if clips["speaker"].nunique() >= ENOUGH_SPEAKERS:
        chosen = pick_speakers(clips, fraction, seed=seed)
        return clips.index[clips["speaker"].isin(chosen)], []
    corpus = clips["corpus"].iloc[0]
    note = f"{corpus}: fewer than {ENOUGH_SPEAKERS} training speakers, validation is cut by text"
    return cut_by_text(clips, fraction, seed=seed), [note]


def cut_by_text(clips: pd.DataFrame, fraction: float, *, seed: int) -> pd.Index:
    """Return the rows of about a share of the texts, every emotion among them where possible."""
    texts, wanted = texts_of(clips), max(2, round(1 / fraction))
    if texts.nunique() < 2:
        texts = clips["path"]
    parts = min(wanted, texts.nunique())
    if parts < 2:
        return clips.index[:0]
    chosen = stratified_parts(clips["emotion"], texts, parts, seed=seed)
    return clips.index[chosen == 0]


def stratified_parts(strata: Labels, groups: Labels, parts: int, *, seed: int) -> Labels:
    """Return the part (0…parts-1) of each row: no group in two parts, strata as even as can be."""
    counts = strata.value_counts()
    # A stratum with fewer rows than parts cannot be even: it is merged, as the library demands.
    strata = strata.where(strata.map(counts) >= parts, "rare")
    if (strata == "rare").sum() < parts:
        strata = strata.where(strata != "rare", counts.index[0])
    if strata.value_counts().max() < parts:
        strata = pd.Series("all", index=strata.index)
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    part = pd.Series(0, index=strata.index)
    for number, (_, chosen) in enumerate(folds.split(strata, strata, groups)):
        part.iloc[chosen] = number
    return part


def speakers_of(table: pd.DataFrame) -> Labels:
    """Return who speaks, by corpus."""
    return table["corpus"] + "/" + table["speaker"]


def texts_of(table: pd.DataFrame) -> Labels:
    """Return what is said, by corpus; a clip of unknown text is a text of its own."""
    said = table["text"].where(table["text"] != "", table["path"])
    return table["corpus"] + "/" + said
