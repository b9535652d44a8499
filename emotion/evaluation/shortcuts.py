"""Shortcuts: how well the class is predicted from level and silence alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotion.data.splits.base import TEST, TRAIN

CUES = ("level_db", "loudest_db", "lead_ms", "tail_ms", "dc", "clipped")
"""Fields of `ClipStatistics` (level and silence) that should carry no emotion."""


@dataclass(frozen=True)
class Shortcuts:
    """What two tiny probes reach on the test clips, UAR, from level and silence alone.

    Attributes:
        emotion: of telling the emotion; near `chance` where nothing betrays it.
        chance: 1 / the number of classes.
        corpus: of telling the corpus; None where there is only one.
        corpus_chance: 1 / the number of corpora.
        cues: what the probes saw.
    """

    emotion: float
    chance: float
    corpus: float | None = None
    corpus_chance: float | None = None
    cues: Sequence[str] = field(default=CUES)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return {
            name: getattr(self, name) for name in ("emotion", "chance", "corpus", "corpus_chance")
        }


def probe_shortcuts(table: pd.DataFrame) -> Shortcuts | None:
    """Return what level and silence alone tell, or None where there are no test clips.

    The probes are logistic regressions on `CUES`, fitted on the training clips and judged on the
    test clips; a probe of the corpus is fitted where both have several corpora.
    """
    train, test = table[table["subset"] == TRAIN], table[table["subset"] == TEST]
    if not len(test) or train["emotion"].nunique() < 2:
        return None
    both = set(train["corpus"]) & set(test["corpus"])
    corpus = _probe(train, test[test["corpus"].isin(both)], "corpus") if len(both) > 1 else None
    return Shortcuts(
        emotion=_probe(train, test[test["emotion"].isin(set(train["emotion"]))], "emotion"),
        chance=1 / train["emotion"].nunique(),
        corpus=corpus,
        corpus_chance=1 / train["corpus"].nunique() if corpus is not None else None,
    )


def _probe(train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    model.fit(_cues(train), train[target])
    there = sorted(set(test[target]))
    told = model.predict(_cues(test))
    return float(recall_score(test[target], told, labels=there, average="macro", zero_division=0))


def _cues(table: pd.DataFrame) -> Any:
    cues = table[list(CUES)].to_numpy(dtype=np.float64)
    cues[:, CUES.index("clipped")] = np.log1p(cues[:, CUES.index("clipped")])
    return cues
