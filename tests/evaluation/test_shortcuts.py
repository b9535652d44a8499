"""Shortcut probes find cues that depend on the emotion or the corpus."""

import numpy as np

from emotion.evaluation.shortcuts import probe_shortcuts
from tests.support.labelled_clips import labelled_clips


def test_probe_is_near_chance_unless_the_level_depends_on_the_emotion() -> None:
    table = labelled_clips(600)
    independent = probe_shortcuts(table)
    table["level_db"] += 8 * (table["emotion"] == "angry")
    dependent = probe_shortcuts(table)
    assert independent is not None
    assert dependent is not None
    assert independent.emotion < 0.65
    assert dependent.emotion > 0.9


def test_corpus_is_probed_if_several_corpora_are_in_train_and_test() -> None:
    table = labelled_clips(600)
    assert (found := probe_shortcuts(table)) is not None
    assert found.as_dict()["corpus"] is None
    table["corpus"] = np.where(np.arange(600) // 6 % 2, "y", "x")
    table["lead_ms"] += 8 * (table["corpus"] == "y")
    found = probe_shortcuts(table)
    assert found is not None
    assert found.corpus_chance == 0.5
    assert found.corpus is not None
    assert found.corpus > 0.9


def test_nothing_is_probed_without_test_clips() -> None:
    table = labelled_clips()
    assert probe_shortcuts(table[table["subset"] != "test"]) is None
