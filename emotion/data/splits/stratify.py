"""Stratified selection of clips by speaker or text."""

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from emotion.data.segments import clip_names, link_files
from emotion.data.speakers import count_speakers, is_unknown

MIN_SPEAKERS = 4  # training speakers, for validation on separate speakers
Column = pd.Series  # one value per row of a table


def pick_speakers(clips: pd.DataFrame, fraction: float, *, seed: int) -> list[str]:
    """Return a fraction of a corpus' speakers, at least one and not all, balanced by sex.

    Unknown speakers are never among them: they stay in training.
    """
    sexes = clips[~is_unknown(clips["speaker"])].groupby("speaker")["sex"].first()
    wanted = min(max(1, round(fraction * len(sexes))), len(sexes) - 1)
    rng = np.random.default_rng(seed)
    drawn = pd.Series(rng.permutation(sexes.index))
    # Rank of each speaker among those of the same sex, from 0 to 1: the lowest ranks are taken.
    sex = drawn.map(sexes)
    rank = (drawn.groupby(sex).cumcount() + 0.5) / sex.map(sex.value_counts())
    return [str(name) for name in drawn[rank.argsort(kind="stable").to_numpy()][:wanted]]


def cut_validation(
    clips: pd.DataFrame, fraction: float, *, seed: int
) -> tuple[pd.Index, list[str]]:
    """Return the validation rows among one corpus' training clips, and notes on the method.

    Selected by speaker where there are at least four speakers; else by text, within the speakers.
    """
    if count_speakers(clips) >= MIN_SPEAKERS:
        speakers = pick_speakers(clips, fraction, seed=seed)
        return clips.index[clips["speaker"].isin(speakers)], []
    corpus = clips["corpus"].iloc[0]
    chosen = cut_by_text(clips, fraction, seed=seed)
    notes = [f"{corpus}: fewer than {MIN_SPEAKERS} training speakers, validation is cut by text"]
    in_val = clips.index.isin(chosen)
    if shared := sorted(set(clips["path"][in_val]) & set(clips["path"][~in_val])):
        notes.append(f"{corpus}: segments of {shared[0]} are in train and in val")
    return chosen, notes


def cut_by_text(clips: pd.DataFrame, fraction: float, *, seed: int) -> pd.Index:
    """Return the rows of about a fraction of the texts, with every emotion where possible.

    Segments of a file stay together where there are several files.
    """
    wanted = max(2, round(1 / fraction))
    choices = (link_files(clips, text_ids(clips)), clips["path"], text_ids(clips))
    enough = (texts for texts in choices if texts.nunique() > 1)
    texts = next(enough, clip_names(clips))
    parts = min(wanted, texts.nunique())
    if parts < 2:
        return clips.index[:0]
    chosen = stratified_parts(clips["emotion"], texts, parts, seed=seed)
    return clips.index[chosen == 0]


def stratified_parts(strata: Column, groups: Column, parts: int, *, seed: int) -> Column:
    """Return the part (0…parts-1) of each row: no group in two parts, strata balanced."""
    counts = strata.value_counts()
    # StratifiedGroupKFold needs at least one row per part and stratum: smaller strata are merged.
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


def text_ids(table: pd.DataFrame) -> Column:
    """Return corpus/text of each row; a clip of unknown text has its path as its own text."""
    return table["corpus"] + "/" + table["text"].where(table["text"] != "", table["path"])
