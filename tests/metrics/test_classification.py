import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn import metrics as sk

from emotion.errors import ConfigError, ModelError
from emotion.metrics.calibration import (
    TEMPERATURES,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
    risk_coverage,
    softmax,
)
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
SEEDS = st.integers(0, 2**32 - 1)

ids = st.integers(0, len(LABELS) - 1)
clips = st.lists(st.tuples(ids, ids), min_size=1, max_size=40).map(
    lambda pairs: tuple(np.array(pairs).T)
)  # (target, predicted); short lists lack classes, on either side


def judged(seed, n_clips=200, n_classes=4, sharpness=3.0):
    """Return logits, (N, C), and targets that follow softmax(logits)."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n_clips, n_classes))
    draws = rng.gumbel(size=logits.shape)
    return logits, (logits + draws).argmax(axis=1)


@given(clips)
def test_confusion_matrix_is_that_of_sklearn(pair):
    ours = confusion_matrix(*pair, n_classes=len(LABELS))
    assert ours.dtype == np.int64
    np.testing.assert_array_equal(ours, sk.confusion_matrix(*pair, labels=range(len(LABELS))))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label")
@given(clips)
def test_uar_is_balanced_accuracy_whatever_class_is_absent(pair):
    confusion = confusion_matrix(*pair, n_classes=len(LABELS))
    assert uar(confusion) == pytest.approx(sk.balanced_accuracy_score(*pair))


@settings(max_examples=50)
@given(clips)
def test_figures_are_those_of_sklearn_over_classes_with_clips(pair):
    confusion = confusion_matrix(*pair, n_classes=len(LABELS))
    present = np.unique(pair[0])
    absent = np.setdiff1d(range(len(LABELS)), present)
    by_class = sk.precision_recall_fscore_support(*pair, labels=present, zero_division=0)[:3]
    ours = (precision_per_class(confusion), recall_per_class(confusion), f1_per_class(confusion))
    for figure, expected in zip(ours, by_class, strict=True):
        np.testing.assert_allclose(figure[present], expected)
        assert np.isnan(figure[absent]).all()
    expected = sk.f1_score(*pair, average="macro", labels=present, zero_division=0)
    assert macro_f1(confusion) == pytest.approx(expected)
    assert accuracy(confusion) == pytest.approx(sk.accuracy_score(*pair))


def test_predicting_an_absent_class_does_not_count_as_a_class():
    confusion = confusion_matrix([0, 0, 1, 1], [0, 0, 1, 2], n_classes=3)
    assert uar(confusion) == 0.75  # torchmetrics says 0.5


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
    ("target", "predicted", "said"),
    [
        ([0, 5], [0, 1], "ids from 0 to 4"),
        ([0, 1], [0, -1], r"\[-1  0\]"),
        ([0, 1, 2], [0, 1], r"target \(3,\).*predicted \(2,\).*one of each a clip"),
        ([0, 1, 2], [1], "one of each a clip"),  # not spread over the three
        (["sad"], ["fear"], "as ids"),
        ([0.2], [0.9], "as ids"),
    ],
)
def test_what_is_no_class_id_is_refused_by_value(target, predicted, said):
    with pytest.raises(ConfigError, match=said):
        confusion_matrix(target, predicted, n_classes=len(LABELS))


@pytest.mark.slow  # imports torch
@settings(deadline=None)
@given(SEEDS, st.integers(1, 40), st.floats(0.1, 8))
def test_calibration_error_is_that_of_torchmetrics(seed, bins, sharpness):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    logits, target = judged(seed, n_clips=60, sharpness=sharpness)
    probabilities = softmax(logits)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(target), num_classes=4, n_bins=bins
    )
    ours = expected_calibration_error(probabilities, target, bins=bins)
    assert ours == pytest.approx(float(theirs), abs=1e-6)  # theirs is float32


def test_reliability_bins_take_their_lower_edge_and_the_last_one_both():
    top = np.array([0.5, 0.74, 0.75, 1.0])
    curve = reliability_curve(np.stack([top, 1 - top], axis=1), np.array([0, 1, 0, 1]), bins=4)
    np.testing.assert_array_equal(curve.count, [0, 0, 2, 2])
    np.testing.assert_allclose(curve.confidence, [np.nan, np.nan, 0.62, 0.875])
    np.testing.assert_allclose(curve.accuracy, [np.nan, np.nan, 0.5, 0.5])
    error = expected_calibration_error(np.stack([top, 1 - top], axis=1), [0, 1, 0, 1], bins=4)
    assert error == pytest.approx((2 * 0.12 + 2 * 0.375) / 4)


@given(SEEDS, st.integers(2, 8))
def test_brier_score_is_its_formula(seed, n_classes):
    logits, target = judged(seed, n_clips=30, n_classes=n_classes)
    p = softmax(logits)
    expected = 1 - 2 * p[np.arange(30), target] + (p**2).sum(axis=1)
    assert brier_score(p, target) == pytest.approx(expected.mean())


def test_brier_score_of_a_guess_a_hit_and_a_miss():
    assert brier_score(np.full((3, 4), 0.25), [0, 1, 3]) == pytest.approx(0.75)
    assert brier_score(np.eye(2), [0, 1]) == 0
    assert brier_score(np.eye(2), [1, 0]) == 2


@given(SEEDS)
def test_risk_coverage_is_what_each_threshold_gives_in_any_order(seed):
    logits, target = judged(seed, n_clips=40)
    probabilities = softmax(np.round(logits))  # rounded, so that confidences repeat
    curve = risk_coverage(probabilities, target)
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != target
    np.testing.assert_array_equal(curve.threshold, np.unique(confidence)[::-1])
    for threshold, coverage, risk in zip(curve.threshold, curve.coverage, curve.risk, strict=True):
        answered = confidence >= threshold
        assert coverage == answered.mean()
        assert risk == pytest.approx(wrong[answered].mean())
    assert curve.coverage[-1] == 1
    again = risk_coverage(probabilities[::-1], target[::-1])
    np.testing.assert_array_equal(again.risk, curve.risk)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_fit_temperature_finds_the_one_that_made_the_targets(temperature):
    logits, target = judged(0, n_clips=20_000)
    assert fit_temperature(logits * temperature, target) == pytest.approx(temperature, rel=0.05)


@settings(max_examples=25)
@given(SEEDS)
def test_fitted_temperature_is_best_and_changes_no_prediction(seed):
    logits, target = judged(seed, n_clips=100)
    logits = logits * 2.5

    def loss(temperature):
        return -np.log(softmax(logits, temperature)[np.arange(100), target]).mean()

    found = fit_temperature(logits, target)
    assert loss(found) <= min(loss(other) for other in np.geomspace(*TEMPERATURES, 200)) + 1e-6
    assert found == pytest.approx(
        minimize_scalar(loss, bounds=TEMPERATURES, method="bounded").x, rel=0.01
    )
    np.testing.assert_array_equal(softmax(logits, found).argmax(axis=1), logits.argmax(axis=1))


def test_degenerate_logits_get_a_usable_temperature():
    low, high = TEMPERATURES
    faultless = np.eye(3)
    assert low <= fit_temperature(faultless, [0, 1, 2]) < 0.1
    assert high * 0.9 < fit_temperature(faultless, [1, 2, 0]) <= high
    assert fit_temperature(np.full((4, 3), 7.0), [0, 1, 2, 0]) == 1
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1
    with pytest.raises(ModelError, match=r"Lower trainer\.optimizer\.lr"):
        fit_temperature(np.array([[0.0, np.nan]]), [0])


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1, 0]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 3.0]])), [[0.25, 0.75]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 9.0]]), 2), [[0.25, 0.75]])


def test_evaluation_figures_import_neither_torch_nor_pandas():
    code = (
        "import sys, emotion.metrics.classification, emotion.metrics.intervals;"
        "print({'torch', 'pandas', 'statsmodels'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
