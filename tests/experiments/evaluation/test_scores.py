import json
import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hmean
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    log_loss,
    recall_score,
)

from experiments.evaluation.known_counts import list_known_shapes
from experiments.evaluation.scores.base import Counts, as_number
from experiments.evaluation.scores.curves import harmonic_number, risk_coverage_area, risk_coverage_curve
from experiments.evaluation.scores.known import compute_condition_scores, find_curve_scores, find_mean_scores
from experiments.evaluation.scores.overlap import accuracy, compute_class_counts, dice, iou, mean_iou, recall
from experiments.evaluation.scores.probabilities import calibration_error, compute_calibration_gaps
from experiments.evaluation.scores.ratios import compute_ratios, compute_score
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, LOG_ODDS_BINS, UNIT

CLASSES = 5
LABELS = arrays(np.int64, 60, elements=st.integers(0, CLASSES - 2))  # class 4 occurs nowhere

OF_MASKS = {name: one for name, one in find_mean_scores().items() if "." not in name}
"""Those of the segmentation; further tasks have a dot."""

ODDS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def counts_of(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return compute_class_counts(confusion_matrix(true, predicted, labels=range(CLASSES)))


def empty(*leading: int) -> Counts:
    return {name: np.zeros((*leading, *shape), np.int64) for name, shape in list_known_shapes(CLASSES).items()}


def bins(pixels: list[tuple[int, int]]) -> np.ndarray:
    """Pixels and correct ones of each bin, from wrong and correct ones."""
    return np.array([[wrong + correct, correct] for wrong, correct in pixels])


def area_by_hand(wrong: list[int]) -> Fraction:
    """Mean over k of the error rate of the first k."""
    return sum((Fraction(sum(wrong[:k]), k) for k in range(1, len(wrong) + 1)), Fraction(0)) / len(wrong)


@given(LABELS, LABELS)
def test_scores_are_scikit_learns(true: np.ndarray, predicted: np.ndarray) -> None:
    counts = counts_of(true, predicted)
    present, occurring = sorted({*true, *predicted}), sorted({*true})
    absent = [label for label in range(CLASSES) if label not in present]
    for share, oracle in ((iou, jaccard_score), (dice, f1_score)):
        wanted = oracle(true, predicted, labels=present, average=None)
        np.testing.assert_allclose(compute_ratios(share(counts))[present], wanted)
        assert np.isnan(compute_ratios(share(counts))[absent]).all()
        assert compute_score(share(counts)) == pytest.approx(oracle(true, predicted, labels=present, average="macro"))
    assert mean_iou(counts) == compute_score(iou(counts))
    assert compute_score(accuracy(counts)) == pytest.approx(accuracy_score(true, predicted))
    assert compute_score(recall(counts)) == pytest.approx(
        recall_score(true, predicted, labels=occurring, average="macro")
    )
    if set(predicted) <= set(true) and len(occurring) > 1:  # else scikit-learn warns
        assert compute_score(recall(counts)) == pytest.approx(balanced_accuracy_score(true, predicted))


@given(arrays(np.int64, (2, 3, 4, 4), elements=st.integers(0, 9)))
def test_class_counts_pixel_by_pixel(confusion: np.ndarray) -> None:
    found = compute_class_counts(confusion)
    assert found.shape == (2, 3, 4, 3)
    for place in np.ndindex(2, 3, 4):
        *image, label = place
        matrix = confusion[tuple(image)]
        hit, predicted, true = matrix[label, label], matrix[:, label].sum(), matrix[label].sum()
        assert found[place].tolist() == [hit, predicted, true]


@pytest.mark.parametrize("leading", [(), (6,), (2, 3)])
def test_leading_axes_are_free(leading: tuple[int, ...]) -> None:
    confusion = np.random.default_rng(0).integers(0, 4, (*leading, CLASSES, CLASSES))
    losses = np.random.default_rng(1).integers(0, UNIT, (*leading, 2))
    classes = compute_class_counts(confusion)
    gaps = np.random.default_rng(2).integers(-UNIT, UNIT, (*leading, CALIBRATION_BINS))
    names = ("classes", "boundary", "file_classes", "inside", "outside")
    counts = dict.fromkeys(names, classes) | {"losses": losses, "gaps": gaps}
    for metric in OF_MASKS.values():
        found = metric(counts)
        assert found.shape == leading
        for place in np.ndindex(leading):
            assert found[place] == pytest.approx(float(metric({name: part[place] for name, part in counts.items()})))


def test_a_missed_class_scores_zero_and_an_absent_one_leaves_the_mean() -> None:
    counts = compute_class_counts(np.array([[8, 0, 0], [2, 0, 0], [0, 0, 0]]))  # class 1 missed, class 2 absent
    assert mean_iou(counts) == pytest.approx((8 / 10 + 0) / 2)
    assert compute_score(dice(counts)) == pytest.approx((16 / 18 + 0) / 2)
    assert compute_score(recall(counts)) == pytest.approx((1 + 0) / 2)
    np.testing.assert_array_equal(compute_ratios(iou(counts)), [0.8, 0, np.nan])


def test_a_class_that_is_only_predicted_scores_zero() -> None:
    """But there is nothing of it to find: it has no recall."""
    counts = compute_class_counts(np.array([[8, 2, 0], [0, 0, 0], [0, 0, 0]]))
    assert mean_iou(counts) == pytest.approx((8 / 10 + 0) / 2)
    assert compute_score(dice(counts)) == pytest.approx((16 / 18 + 0) / 2)
    assert compute_score(recall(counts)) == pytest.approx(0.8)
    assert compute_score(accuracy(counts)) == pytest.approx(0.8)


def test_a_missed_class_never_improves_a_score() -> None:
    """Class 1 is found in part, or not at all."""
    found, missed = (compute_class_counts(np.array([[8, 0], [2 - hit, hit]])) for hit in (1, 0))
    for share in (iou, dice, recall, accuracy):
        assert compute_score(share(found)) > compute_score(share(missed))


@pytest.mark.parametrize("leading", [(), (4,)])
def test_nothing_counted_has_no_score(leading: tuple[int, ...]) -> None:
    for metric in OF_MASKS.values():
        assert np.isnan(metric(empty(*leading))).all()
        assert np.isnan(compute_ratios(metric.ratio(empty(*leading)))).all()
    assert np.isnan(risk_coverage_area(np.zeros((LOG_ODDS_BINS, 2), int)))


def test_a_condition_without_pixels_is_null_in_json() -> None:
    scores = compute_condition_scores(empty())
    assert {name for name, value in scores.items() if value is None} == {
        *OF_MASKS,
        *find_curve_scores(),
        "bravo_semantic",
        "bravo_ood",
    }
    assert [scores[f"class_{name}"] for name in ("iou", "dice", "boundary_iou")] == [[None] * CLASSES] * 3
    json.dumps(scores, allow_nan=False)


def test_a_condition_by_hand() -> None:
    """Two classes; the same predictions as confusion, as confidences and as log odds."""
    chance = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    nll = log_loss(true, chance, normalize=False)
    brier = ((chance - np.eye(2)[true]) ** 2).sum()
    classes = compute_class_counts(confusion_matrix(true, predicted))
    boundary = np.array([[1, 2, 1], [1, 1, 2]])
    calibration, odds = np.zeros((CALIBRATION_BINS, 3), int), np.zeros((LOG_ODDS_BINS, 2), int)
    for place, (confidence, right) in enumerate(zip([0.9, 0.7, 0.6, 0.8], [1, 1, 0, 1], strict=True)):
        calibration[math.ceil(confidence * 15) - 1] += [1, right, round(confidence * UNIT)]
        odds[[10, 30, 40, 20][place]] += [1, right]
    losses = np.array([round(nll * UNIT), round(brier * UNIT)])
    gaps = compute_calibration_gaps(calibration)
    scores = compute_condition_scores(
        {"classes": classes, "boundary": boundary, "losses": losses, "gaps": gaps, "log_odds": odds}
    )
    assert scores["miou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["dice"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert scores["pixel_accuracy"] == 0.75
    assert scores["class_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert scores["boundary_iou"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert scores["nll"] == pytest.approx(nll / 4, abs=1 / UNIT)
    assert scores["brier"] == pytest.approx(brier / 4, abs=1 / UNIT)
    assert scores["ece"] == pytest.approx((0.1 + 0.3 + 0.6 + 0.2) / 4, abs=1 / UNIT)  # each in a bin of its own
    assert scores["aurc"] == pytest.approx((0 + 0 + 0 + 1 / 4) / 4)
    assert scores["auroc"] == scores["aupr_success"] == scores["aupr_error"] == 1
    assert scores["fpr95"] == 0
    parts = [scores["miou"], 1 - scores["ece"], 1, 1, 1, 1]
    assert scores["bravo_semantic"] == pytest.approx(hmean(parts))
    assert scores["class_iou"] == pytest.approx([2 / 3, 1 / 2])
    assert scores["class_dice"] == pytest.approx([4 / 5, 2 / 3])
    assert scores["class_boundary_iou"] == pytest.approx([1 / 2, 1 / 2])


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1)), min_size=15, max_size=15))
def test_calibration_error_by_hand(drawn: list[tuple[int, float, float]]) -> None:
    """Gaps between accuracy and confidence, weighed by the pixels of their bins."""
    calibration = np.array([[n, round(n * accuracy), round(n * sure * UNIT)] for n, accuracy, sure in drawn])
    pixels = calibration[:, 0].sum()
    gaps = [n / pixels * abs(correct / n - sure / n / UNIT) for n, correct, sure in calibration.tolist() if n]
    wanted = pytest.approx(math.fsum(gaps), abs=1e-12) if pixels else pytest.approx(math.nan, nan_ok=True)
    assert float(compute_score(calibration_error(compute_calibration_gaps(calibration), pixels))) == wanted


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3))
def test_area_is_the_mean_over_all_orders_of_ties(pixels: list[tuple[int, int]]) -> None:
    """Brute force: every order of the pixels that keeps the bins in theirs."""
    members = [(place, wrong) for place, pair in enumerate(pixels) for wrong in [1] * pair[0] + [0] * pair[1]][:7]
    kept = [[sum(1 for p, w in members if (p, w) == (place, wrong)) for wrong in (1, 0)] for place in range(3)]
    orders = [order for order in permutations(members) if [p for p, _ in order] == sorted(p for p, _ in order)]
    found = risk_coverage_area(bins([tuple(pair) for pair in kept]))
    if not members:
        assert np.isnan(found)
        return
    areas = [area_by_hand([wrong for _, wrong in order]) for order in orders]
    assert found == pytest.approx(float(sum(areas) / len(areas)), abs=1e-12)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=100))
def test_area_without_ties_is_the_plain_one(wrong: list[int]) -> None:
    odds = bins([(one, 1 - one) for one in wrong])
    assert risk_coverage_area(odds) == pytest.approx(float(area_by_hand(wrong)), abs=1e-12)


@given(ODDS)
def test_area_lies_between_the_best_and_the_worst_order_of_ties(pixels: list[tuple[int, int]]) -> None:
    best = [one for wrong, correct in pixels for one in [0] * correct + [1] * wrong]
    worst = [one for wrong, correct in pixels for one in [1] * wrong + [0] * correct]
    if best:
        low, high = float(area_by_hand(best)), float(area_by_hand(worst))
        assert low - 1e-12 <= risk_coverage_area(bins(pixels)) <= high + 1e-12


def test_area_of_ties_alone_is_the_error_rate() -> None:
    assert risk_coverage_area(bins([(0, 0), (30, 70), (0, 0)])) == pytest.approx(0.3)
    assert risk_coverage_area(bins([(0, 12)])) == 0
    assert risk_coverage_area(bins([(12, 0)])) == pytest.approx(1)


def test_area_of_ten_billion_pixels() -> None:
    """First all that are right, then a bin of all that are wrong: 1 - ratio * log(1 / ratio) - ratio, for large counts."""
    correct, wrong = 9 * 10**9, 10**9
    ratio = correct / (correct + wrong)
    wanted = 1 - ratio - ratio * math.log(1 / ratio)
    assert risk_coverage_area(bins([(0, correct), (wrong, 0)])) == pytest.approx(wanted, rel=1e-9)


@given(ODDS)
def test_risk_coverage_by_counting(pixels: list[tuple[int, int]]) -> None:
    coverage, risk = risk_coverage_curve(bins(pixels))
    whole, seen, wrong, wanted = sum(map(sum, pixels)), 0, 0, []
    for pair in pixels:
        seen, wrong = seen + sum(pair), wrong + pair[0]
        if sum(pair):
            wanted.append((seen / whole, wrong / seen))
    assert list(zip(coverage.tolist(), risk.tolist(), strict=True)) == wanted
    if wanted:
        assert coverage[-1] == 1
        assert risk[-1] == pytest.approx(1 - bins(pixels)[:, 1].sum() / whole)


@pytest.mark.parametrize("size", [0, 1, 2, 10, 63, 64, 65, 66, 100, 1000, 20_000])
def test_harmonic_numbers(size: int) -> None:
    wanted = math.fsum(1 / k for k in range(1, size + 1))
    assert harmonic_number(np.array([float(size)]))[0] == pytest.approx(wanted, rel=2e-14)


def test_harmonic_numbers_of_many_and_large_ones() -> None:
    sizes = np.array([[0.0, 64.0], [65.0, 1e12]])
    found = harmonic_number(sizes)
    assert found.shape == (2, 2)
    assert found[0, 0] == 0
    assert (np.diff(harmonic_number(np.arange(200.0))) > 0).all()
    assert found[1, 1] == pytest.approx(math.log(1e12) + 0.5772156649015329, rel=1e-12)


def test_shares_add_up_over_images() -> None:
    """The data set's score is that of the sums, never a mean over images."""
    counts = np.array([[[1, 1, 1], [0, 0, 0]], [[0, 3, 3], [4, 7, 7]]])
    share = iou(counts)
    summed = share.apply(lambda part: part.sum(0))
    np.testing.assert_array_equal(compute_ratios(summed), compute_ratios(iou(counts.sum(0))))
    assert compute_score(summed) == mean_iou(counts.sum(0)) == pytest.approx((1 / 7 + 4 / 10) / 2)


def test_numbers_for_json() -> None:
    assert as_number(np.float64(0.25)) == 0.25
    assert type(as_number(np.array(0.25))) is float
    assert as_number(np.nan) is None
