"""Classification metrics equal those of scikit-learn, also for classes without clips."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from emotion.errors import ConfigError
from emotion.metrics.classification import (
    accuracy,
    confusion_matrix,
    f1_per_class,
    macro_f1,
    precision_per_class,
    recall_per_class,
    score,
    uar,
)

LABELS = ("sad", "angry", "disgust", "fear", "happy")

ids = st.integers(0, len(LABELS) - 1)
clips = st.lists(st.tuples(ids, ids), min_size=1, max_size=40).map(
    lambda pairs: tuple(np.array(pairs).T)
)  # (target, predicted); short lists lack classes, on either side


@given(clips)
def test_confusion_matrix_equals_that_of_sklearn(pair):
    ours = confusion_matrix(*pair, n_classes=len(LABELS))
    assert ours.dtype == np.int64
    np.testing.assert_array_equal(ours, sk.confusion_matrix(*pair, labels=range(len(LABELS))))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label")
@given(clips)
def test_uar_is_balanced_accuracy_for_any_absent_class(pair):
    confusion = confusion_matrix(*pair, n_classes=len(LABELS))
    assert uar(confusion) == pytest.approx(sk.balanced_accuracy_score(*pair))


@settings(max_examples=50)
@given(clips)
def test_metrics_equal_those_of_sklearn_over_classes_with_clips(pair):
    confusion = confusion_matrix(*pair, n_classes=len(LABELS))
    present = np.unique(pair[0])
    absent = np.setdiff1d(range(len(LABELS)), present)
    by_class = sk.precision_recall_fscore_support(*pair, labels=present, zero_division=0)[:3]
    ours = (precision_per_class(confusion), recall_per_class(confusion), f1_per_class(confusion))
    for metric, expected in zip(ours, by_class, strict=True):
        np.testing.assert_allclose(metric[present], expected)
        assert np.isnan(metric[absent]).all()
    expected = sk.f1_score(*pair, average="macro", labels=present, zero_division=0)
    assert macro_f1(confusion) == pytest.approx(expected)
    assert accuracy(confusion) == pytest.approx(sk.accuracy_score(*pair))


def test_predicting_an_absent_class_does_not_count_as_a_class():
    confusion = confusion_matrix([0, 0, 1, 1], [0, 0, 1, 2], n_classes=3)
    assert uar(confusion) == 0.75  # torchmetrics returns 0.5


@pytest.mark.parametrize(
    "statistic",
    [uar, macro_f1, accuracy, recall_per_class, precision_per_class, f1_per_class],
    ids=lambda statistic: statistic.__name__,
)
def test_stack_gives_what_each_matrix_gives(statistic):
    stack = np.random.default_rng(0).poisson(1.0, size=(4, 3, 5, 5))
    stack[..., 2, :] = 0
    stack[0, 0] = 0  # no clip at all
    each = [[statistic(confusion) for confusion in row] for row in stack]
    np.testing.assert_array_equal(statistic(stack), np.array(each))
    assert np.isnan(statistic(stack[0, 0])).all()


@given(clips)
def test_score_names_each_class_once_and_survives_json(pair):
    scores = score(*pair, LABELS)
    assert json.loads(json.dumps(scores.as_dict()))["recall"] == scores.recall
    assert scores.n == len(pair[0])
    assert sorted((*scores.recall, *scores.absent)) == sorted(LABELS)
    assert list(scores.recall) == list(scores.precision) == list(scores.f1)
    assert np.mean(list(scores.recall.values())) == pytest.approx(scores.uar)
    assert np.mean(list(scores.f1.values())) == pytest.approx(scores.macro_f1)
    assert scores.wa == np.mean(pair[0] == pair[1])
    for label, recall in scores.recall.items():
        here = pair[0] == LABELS.index(label)
        assert recall == pytest.approx(np.mean(pair[1][here] == pair[0][here]))


@pytest.mark.parametrize(
    ("target", "predicted", "message"),
    [
        ([0, 5], [0, 1], "ids from 0 to 4"),
        ([0, 1], [0, -1], r"\[-1  0\]"),
        ([0, 1, 2], [0, 1], r"target \(3,\).*predicted \(2,\).*one of each a clip"),
        ([0, 1, 2], [1], "one of each a clip"),  # not spread over the three
        (["sad"], ["fear"], "as ids"),
        ([0.2], [0.9], "as ids"),
    ],
)
def test_values_that_are_not_class_ids_are_refused(target, predicted, message):
    with pytest.raises(ConfigError, match=message):
        confusion_matrix(target, predicted, n_classes=len(LABELS))


def test_metrics_import_neither_torch_nor_pandas():
    code = (
        "import sys, emotion.metrics.classification, emotion.metrics.intervals;"
        "print({'torch', 'pandas', 'statsmodels'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
