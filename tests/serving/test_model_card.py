"""Model cards: scores with interval and speakers, warnings, short names."""

from typing import Any

from emotion.serving.model_card import ModelCard, export_card, read_score, unique_names

METRICS = {"uar": 0.7, "n": 240, "by_corpus": {"tess": {}, "savee": {}}}
INTERVAL = {"uar_low": 0.62, "uar_high": 0.78, "speakers": 12}


def sentences(metrics: dict[str, Any], *, leaks: bool = False) -> list[str]:
    return ModelCard("x", "cnn", ("a", "b", "c", "d"), leaks, read_score(metrics)).sentences


def test_score_comes_with_its_interval_and_its_speakers() -> None:
    first, second = sentences({"test": METRICS | {"interval": INTERVAL}, "val": METRICS})
    assert "70.0\u202f%" in first
    assert "Chance for 4 emotions: 25.0\u202f%" in first
    assert "240 test clips of 12 speakers (savee, tess)" in first
    assert "62.0\u202f% to 78.0\u202f%" in second


def test_leak_warning_comes_before_the_score() -> None:
    assert sentences({"test": METRICS | {"interval": INTERVAL}}, leaks=True)[0].startswith("LEAKS")


def test_missing_interval_and_missing_test_are_stated() -> None:
    few = {"uar_low": None, "uar_high": None, "speakers": 1}
    found = sentences({"val": METRICS | {"interval": few}})
    assert "validation clips of 1 speaker (" in found[0]
    assert "too few speakers" in found[1]
    assert found[2].startswith("Untested")
    assert sentences({})[0].startswith("Not evaluated")


def test_export_has_the_same_card_as_its_run() -> None:
    scores = {"test": {"uar": 0.7, "n": 240, **INTERVAL}, "val": None}
    metadata = {
        "labels": ["a", "b", "c", "d"],
        "leaks": False,
        "scores": scores,
        "training": {"corpora": ["savee", "tess"]},
    }
    assert export_card(metadata, "x").sentences == sentences(
        {"test": METRICS | {"interval": INTERVAL}}
    )


def test_names_are_the_shortest_unique_path_ends() -> None:
    assert unique_names(["/o/train/1", "/o/train/2"]) == ["1", "2"]
    assert unique_names(["/o/1/export", "/o/2/export"]) == ["1/export", "2/export"]
    assert unique_names(["/o/1/export"]) == ["1/export"]
    assert len(set(unique_names(["/o/1", "/o/1"]))) == 2
