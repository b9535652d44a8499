"""What a page says of a model: how good, on whom, and whether to believe it."""

from typing import Any

from emotion.serving.model_card import About, about_export, score_of, unique_names

FIGURES = {"uar": 0.7, "n": 240, "by_corpus": {"tess": {}, "savee": {}}}
INTERVAL = {"uar_low": 0.62, "uar_high": 0.78, "speakers": 12}


def said(metrics: dict[str, Any], *, leaks: bool = False) -> list[str]:
    return About("x", "cnn", ("a", "b", "c", "d"), leaks, score_of(metrics)).sentences


def test_score_comes_with_its_interval_and_its_speakers() -> None:
    first, second = said({"test": FIGURES | {"interval": INTERVAL}, "val": FIGURES})
    assert "70.0\u202f%" in first
    assert "by chance 25.0\u202f%" in first
    assert "240 test clips of 12 speakers (savee, tess)" in first
    assert "between 62.0\u202f% and 78.0\u202f%" in second


def test_leak_stands_before_the_score() -> None:
    assert said({"test": FIGURES | {"interval": INTERVAL}}, leaks=True)[0].startswith("LEAKS")


def test_too_few_speakers_and_no_test_are_said() -> None:
    few = {"uar_low": None, "uar_high": None, "speakers": 1}
    sentences = said({"val": FIGURES | {"interval": few}})
    assert "validation clips of 1 speaker (" in sentences[0]
    assert "too few speakers" in sentences[1]
    assert "untested" in sentences[2]
    assert "never judged" in said({})[0]


def test_export_says_the_same() -> None:
    scores = {"test": {"uar": 0.7, "n": 240, **INTERVAL}, "val": None}
    about = {
        "labels": ["a", "b", "c", "d"],
        "leaks": False,
        "scores": scores,
        "training": {"corpora": ["savee", "tess"]},
    }
    assert about_export(about, "x").sentences == said({"test": FIGURES | {"interval": INTERVAL}})


def test_models_are_told_apart_by_the_shortest_names() -> None:
    assert unique_names(["/o/train/1", "/o/train/2"]) == ["1", "2"]
    assert unique_names(["/o/1/export", "/o/2/export"]) == ["1/export", "2/export"]
    assert unique_names(["/o/1/export"]) == ["1/export"]
    assert len(set(unique_names(["/o/1", "/o/1"]))) == 2
