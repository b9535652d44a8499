"""Shortcut probes: UAR of predicting the emotion from level and silence alone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotion.data.splits.base import TEST, TRAIN

CUES = ("level_db", "loudest_db", "lead_ms", "tail_ms", "dc", "clipped")
"""Inputs of the probes: fields of `ClipStatistics` that should not depend on the emotion."""


@dataclass(frozen=True)
class Shortcuts:
    """UAR of two probes on the test clips.

    `emotion`, of predicting the emotion, is near `chance`, 1 / classes, if level and silence do not
    depend on it. `corpus` and `corpus_chance`, 1 / corpora, are None for a single corpus.
    """

    emotion: float
    chance: float
    corpus: float | None = None
    corpus_chance: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return asdict(self)


def probe_shortcuts(table: pd.DataFrame) -> Shortcuts | None:
    """Return the UAR of the probes, or None without test clips or with a single class.

    The probes are logistic regressions on `CUES`, fitted on the training clips and tested on the
    test clips; the corpus is probed if several corpora are in both.
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
    classifier = LogisticRegression(class_weight="balanced", max_iter=1000)
    model = make_pipeline(StandardScaler(), classifier).fit(_cues(train), train[target])
    true, labels = test[target], sorted(set(test[target]))
    scoring: dict[str, Any] = {"labels": labels, "average": "macro", "zero_division": 0}
    return float(recall_score(true, model.predict(_cues(test)), **scoring))


def _cues(table: pd.DataFrame) -> Any:
    cues, clipped = table[list(CUES)].to_numpy(dtype=np.float64), CUES.index("clipped")
    cues[:, clipped] = np.log1p(cues[:, clipped])
    return cues
