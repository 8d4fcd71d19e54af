"""Scores of how confidence ranks right and wrong pixels, against scikit-learn and brute force over the orders of ties."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from experiments.evaluation.scores.curves import (
    average_precision_of_right,
    average_precision_of_wrong,
    false_positive_rate,
    risk_coverage_area,
    roc_area,
    selective_risk_area,
)
from experiments.evaluation.scores.semantic import PARTS, semantic_mean

CURVES = [risk_coverage_area, roc_area, false_positive_rate, average_precision_of_right, average_precision_of_wrong]
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


def bins(pixels: list[tuple[int, int]]) -> np.ndarray:
    """Pixels and correct ones of each bin, from wrong and correct ones."""
    return np.array([[wrong + correct, correct] for wrong, correct in pixels])


def unfold(pixels: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of each pixel, and whether it is right."""
    found = [(-place, right) for place, pair in enumerate(pixels) for right in [0] * pair[0] + [1] * pair[1]]
    confidence, right = np.array(found, int).reshape(-1, 2).T
    return confidence, right


@given(PAIRS)
def test_ties_count_one_half_in_the_roc_area_as_with_scikit_learn(pixels: list[tuple[int, int]]) -> None:
    confidence, right = unfold(pixels)
    if len({*right.tolist()}) == 2:
        assert roc_area(bins(pixels)) == pytest.approx(roc_auc_score(right, confidence), abs=1e-12)


@given(PAIRS)
def test_the_rate_lies_on_the_roc_curve_of_scikit_learn(pixels: list[tuple[int, int]]) -> None:
    confidence, right = unfold(pixels)
    if len({*right.tolist()}) == 2:
        false, true, _ = roc_curve(right, confidence, drop_intermediate=False)
        after = int(np.searchsorted(true, 0.95))
        share = (0.95 - true[after - 1]) / (true[after] - true[after - 1])
        wanted = false[after - 1] + share * (false[after] - false[after - 1])
        assert false_positive_rate(bins(pixels)) == pytest.approx(wanted, abs=1e-12)


@given(st.lists(st.integers(0, 1), min_size=2, max_size=60))
def test_without_ties_precision_and_rate_are_those_of_scikit_learn(right: list[int]) -> None:
    """The rate of BRAVO is that of the first threshold at which 95 % are reached; without ties no line is drawn to it."""
    if len({*right}) < 2:
        return
    pixels, confidence = [(1 - one, one) for one in right], -np.arange(len(right))
    wrong = 1 - np.array(right)
    assert average_precision_of_right(bins(pixels)) == pytest.approx(average_precision_score(right, confidence))
    assert average_precision_of_wrong(bins(pixels)) == pytest.approx(average_precision_score(wrong, -confidence))
    false, true, _ = roc_curve(right, confidence, drop_intermediate=False)
    assert false_positive_rate(bins(pixels)) == pytest.approx(false[np.searchsorted(true, 0.95)])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3))
def test_precision_of_ties_is_the_mean_over_their_orders(pixels: list[tuple[int, int]]) -> None:
    members = [(place, right) for place, pair in enumerate(pixels) for right in [0] * pair[0] + [1] * pair[1]][:7]
    kept = [(members.count((place, 0)), members.count((place, 1))) for place in range(3)]
    orders = [order for order in permutations(members) if [p for p, _ in order] == sorted(p for p, _ in order)]

    def average(wanted: int, turn: int) -> float:
        falling = -np.arange(len(members)) * turn
        found = [average_precision_score([right == wanted for _, right in order], falling) for order in orders]
        return float(np.mean(found))

    if {right for _, right in members} == {0, 1}:
        assert average_precision_of_right(bins(kept)) == pytest.approx(average(1, 1), abs=1e-12)
        assert average_precision_of_wrong(bins(kept)) == pytest.approx(average(0, -1), abs=1e-12)


@pytest.mark.parametrize("curve", CURVES)
def test_leading_axes_are_free_and_empty_bins_mean_nothing(curve: Callable[[np.ndarray], np.ndarray]) -> None:
    right = np.random.default_rng(0).integers(0, 9, (3, 4, 6))
    histograms = np.stack([right + np.random.default_rng(1).integers(0, 5, right.shape), right], -1)
    found = curve(histograms)
    assert found.shape == (3, 4)
    spread = np.zeros((3, 4, 12, 2), int)
    spread[:, :, 1::2] = histograms
    np.testing.assert_allclose(curve(spread), found, atol=1e-12)
    for place in np.ndindex(3, 4):
        assert float(curve(histograms[place])) == pytest.approx(found[place])


def test_what_does_not_exist_is_no_number() -> None:
    nothing, right, wrong = bins([(0, 0), (0, 0)]), bins([(0, 3), (0, 1)]), bins([(2, 0), (1, 0)])
    assert np.isnan([curve(nothing) for curve in CURVES]).all()
    for curve in (roc_area, false_positive_rate):
        assert np.isnan([curve(right), curve(wrong)]).all()
    assert average_precision_of_right(right) == pytest.approx(1)
    assert average_precision_of_wrong(wrong) == pytest.approx(1)
    assert np.isnan([average_precision_of_right(wrong), average_precision_of_wrong(right)]).all()


def test_many_pixels_keep_their_digits() -> None:
    pixels = bins([(10**9, 9 * 10**11), (2 * 10**9, 8 * 10**10), (10**9, 10**9)])
    thousandth = bins([(10**6, 9 * 10**8), (2 * 10**6, 8 * 10**7), (10**6, 10**6)])
    for curve in CURVES:
        assert float(curve(pixels)) == pytest.approx(float(curve(thousandth)), rel=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_risks_need_be_no_whole_numbers(risks: list[float]) -> None:
    found = selective_risk_area(np.ones(len(risks)), np.array(risks))
    assert found == pytest.approx(np.mean(np.cumsum(risks) / np.arange(1, len(risks) + 1)), abs=1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=6, max_size=6))
def test_the_semantic_mean_is_the_harmonic_one(values: list[float]) -> None:
    parts = {name: np.array(value) for name, value in zip(PARTS, values, strict=True)}
    turned = [1 - value if name in ("ece", "fpr95") else value for name, value in zip(PARTS, values, strict=True)]
    assert float(semantic_mean(parts)) == pytest.approx(hmean(turned), abs=1e-12)
    assert semantic_mean({**parts, "miou": np.array(0.0)}) == 0
    assert np.isnan(semantic_mean({**parts, "auroc": np.array(np.nan)}))
