"""Calibration metrics equal their formulas, and temperature scaling is optimal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from emotion.errors import ModelError
from emotion.metrics.calibration import (
    TEMPERATURE_BOUNDS,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
    risk_coverage,
    softmax,
)

SEEDS = st.integers(0, 2**32 - 1)


def sample_clips(seed, n_clips=200, n_classes=4, sharpness=3.0):
    """Return logits, (N, C), and targets that follow softmax(logits)."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n_clips, n_classes))
    draws = rng.gumbel(size=logits.shape)
    return logits, (logits + draws).argmax(axis=1)


@pytest.mark.slow  # imports torch
@settings(deadline=None)
@given(SEEDS, st.integers(1, 40), st.floats(0.1, 8))
def test_calibration_error_is_that_of_torchmetrics(seed, bins, sharpness):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    logits, target = sample_clips(seed, n_clips=60, sharpness=sharpness)
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
    logits, target = sample_clips(seed, n_clips=30, n_classes=n_classes)
    p = softmax(logits)
    expected = 1 - 2 * p[np.arange(30), target] + (p**2).sum(axis=1)
    assert brier_score(p, target) == pytest.approx(expected.mean())


def test_brier_score_of_uniform_right_and_wrong_predictions():
    assert brier_score(np.full((3, 4), 0.25), [0, 1, 3]) == pytest.approx(0.75)
    assert brier_score(np.eye(2), [0, 1]) == 0
    assert brier_score(np.eye(2), [1, 0]) == 2


@given(SEEDS)
def test_risk_coverage_equals_a_threshold_at_each_confidence(seed):
    logits, target = sample_clips(seed, n_clips=40)
    probabilities = softmax(np.round(logits))  # rounded, so that confidences repeat
    curve = risk_coverage(probabilities, target)
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != target
    np.testing.assert_array_equal(curve.threshold, np.unique(confidence)[::-1])
    for threshold, coverage, risk in zip(curve.threshold, curve.coverage, curve.risk, strict=True):
        covered = confidence >= threshold
        assert coverage == covered.mean()
        assert risk == pytest.approx(wrong[covered].mean())
    assert curve.coverage[-1] == 1
    again = risk_coverage(probabilities[::-1], target[::-1])
    np.testing.assert_array_equal(again.risk, curve.risk)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_fit_temperature_finds_the_temperature_of_the_targets(temperature):
    logits, target = sample_clips(0, n_clips=20_000)
    assert fit_temperature(logits * temperature, target) == pytest.approx(temperature, rel=0.05)


@settings(max_examples=25)
@given(SEEDS)
def test_fitted_temperature_is_best_and_changes_no_prediction(seed):
    logits, target = sample_clips(seed, n_clips=100)
    logits = logits * 2.5

    def loss(temperature):
        return -np.log(softmax(logits, temperature)[np.arange(100), target]).mean()

    fitted = fit_temperature(logits, target)
    assert (
        loss(fitted) <= min(loss(other) for other in np.geomspace(*TEMPERATURE_BOUNDS, 200)) + 1e-6
    )
    assert fitted == pytest.approx(
        minimize_scalar(loss, bounds=TEMPERATURE_BOUNDS, method="bounded").x, rel=0.01
    )
    np.testing.assert_array_equal(softmax(logits, fitted).argmax(axis=1), logits.argmax(axis=1))


def test_degenerate_logits_get_a_usable_temperature():
    low, high = TEMPERATURE_BOUNDS
    correct = np.eye(3)
    assert low <= fit_temperature(correct, [0, 1, 2]) < 0.1
    assert high * 0.9 < fit_temperature(correct, [1, 2, 0]) <= high
    assert fit_temperature(np.full((4, 3), 7.0), [0, 1, 2, 0]) == 1
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1
    with pytest.raises(ModelError, match=r"Lower trainer\.optimizer\.lr"):
        fit_temperature(np.array([[0.0, np.nan]]), [0])


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1, 0]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 3.0]])), [[0.25, 0.75]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 9.0]]), 2), [[0.25, 0.75]])
