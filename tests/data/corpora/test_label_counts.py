"""Labels without clips are errors or warnings; clips of other classes are counted."""

from pathlib import Path

import pandas as pd
import pytest

from emotion.data.corpora.index import Index
from emotion.data.corpora.label_counts import check_labels, describe_left_out, label_notes
from emotion.data.labels import DEFAULT_LABELS
from emotion.errors import CorpusError


def index_of(
    emotions: str, labels: tuple[str, ...], left_out: dict[str, int] | None = None
) -> Index:
    table = pd.DataFrame({"emotion": emotions.split()})
    return Index(table, pd.DataFrame(), labels, (), Path(), left_out=left_out or {})


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (
            index_of("angry sad happy", ("angry", "hapy", "sad"), {"happy": 2}),
            r"no clip has the label hapy; 2 clips .*left out: happy 2\. Did you mean happy\?",
        ),
        (index_of("angry sad", ("angry", "sad", "joy")), "no clip has the label joy.*Choose from"),
        (
            index_of("sad disgust fear happy neutral", DEFAULT_LABELS, {"anger": 5}),
            r"no clip has the label angry; 5 .*anger 5\. Did you mean anger\?.*`emotions`",
        ),
    ],
)
def test_a_label_without_clips_is_an_error_with_near_names(index: Index, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        check_labels(index)


@pytest.mark.parametrize(
    ("index", "inherited"),
    [
        (index_of("sad angry", DEFAULT_LABELS), False),
        (index_of("sad angry", ("sad", "angry", "calm"), {"joy": 1}), True),
    ],
)
def test_a_default_or_inherited_label_without_clips_is_a_warning(
    index: Index, inherited: bool
) -> None:
    check_labels(index, inherited=inherited)
    notes = list(label_notes(index, pd.Series(["train", "train"])))
    missing = [label for label in index.labels if label not in ("sad", "angry")]
    assert notes == [f"warning: no clip has the label {', '.join(missing)}"]


def test_labels_that_all_have_clips_are_not_mentioned() -> None:
    index = index_of("sad angry", ("sad", "angry"), {"joy": 1})
    check_labels(index)
    assert list(label_notes(index, pd.Series(["train", "train"]))) == []


def test_a_class_that_only_validation_or_test_has_is_a_warning() -> None:
    index = index_of("sad angry sad sad calm", ("sad", "angry", "calm"))
    subset = pd.Series(["test", "train", "val", "test", ""])
    assert list(label_notes(index, subset)) == [
        "warning: no training clip has the label sad, but 1 val and 2 test clips have it"
    ]


def test_clips_of_other_classes_are_counted_by_class() -> None:
    described = describe_left_out({"boredom": 81, "joy": 1})
    assert described == "82 clips of other classes are left out: boredom 81, joy 1"
