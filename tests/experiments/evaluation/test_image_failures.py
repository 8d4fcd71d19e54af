"""How well confidence tells badly segmented images, against sorting by hand and simulated test sets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from records import CLASSES, make_record
from sklearn.metrics import f1_score

from experiments.evaluation.failures import list_parts
from experiments.evaluation.image_failures import (
    compute_risk,
    find_confidences,
    score_selection,
    score_selections,
)
from experiments.evaluation.images import Images
from experiments.evaluation.scores.foreground import list_foreground
from experiments.evaluation.scores.overlap import compute_class_counts
from experiments.record_files.record_file import read_swept
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.metrics.sweep import SweepCounts

RESULTS = Path(__file__).parents[3] / "experiments" / "results"
RISKS = arrays(np.float64, (7, 2), elements=st.floats(0, 1))


def area_by_sorting(confidence: np.ndarray, risk: np.ndarray) -> float:
    """Mean over k of the mean risk of the k most confident images."""
    kept = risk.ravel()[np.argsort(-confidence.ravel(), kind="stable")]
    return float((kept.cumsum() / np.arange(1, kept.size + 1)).mean())


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        (["background", "polyp"], [1]),
        (["healthy", "polyp"], [1]),
        (["Background", "liver", "spleen"], [1, 2]),
        (["sky", "road", "car"], [0, 1, 2]),
        (["background"], [0]),
    ],
)
def test_the_foreground_is_all_but_the_background(classes: list[str], wanted: list[int]) -> None:
    assert list_foreground(classes) == wanted


@settings(deadline=None, max_examples=40)
@given(arrays(np.int64, (2, 40), elements=st.integers(0, 3)))
def test_risk_is_that_of_scikit_learn(labels: np.ndarray) -> None:
    """Over the classes of the foreground that are in mask or prediction."""
    true, predicted = labels
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (true, predicted), 1)
    seen = sorted({*true.tolist(), *predicted.tolist()} - {0})
    wanted = 1 - f1_score(true, predicted, labels=seen, average="macro", zero_division=0) if seen else 0
    assert compute_risk(compute_class_counts(confusion)[None, None], [1, 2, 3]) == pytest.approx(np.array([[wanted]]))


def test_empty_masks() -> None:
    """Nothing to find and nothing found is right, something found is wrong, and without pixels nothing is known."""
    right, wrong, missed, none = [[9, 0], [0, 0]], [[8, 1], [0, 0]], [[8, 0], [1, 0]], [[0, 0], [0, 0]]
    classes = np.stack([compute_class_counts(np.array(one)) for one in (right, wrong, missed, none)])[:, None]
    np.testing.assert_array_equal(compute_risk(classes, [1])[:, 0], [0, 1, 1, np.nan])


@settings(deadline=None)
@given(RISKS, st.permutations(range(14)))
def test_areas_are_those_of_sorted_images(risk: np.ndarray, order: list[int]) -> None:
    confidence = np.array(order, float).reshape(7, 2)
    found = score_selection(confidence, risk, np.eye(7))
    assert found.images == 14
    assert found.area.value == pytest.approx(area_by_sorting(confidence, risk))
    assert found.optimal == pytest.approx(area_by_sorting(-risk, risk))
    assert found.random == pytest.approx(risk.mean())
    assert found.excess.value == pytest.approx(area_by_sorting(confidence, risk) - area_by_sorting(-risk, risk))
    assert found.area.low is None  # of so few images


@settings(deadline=None, max_examples=20)
@given(arrays(np.float64, (6, 1), elements=st.floats(0, 1)))
def test_images_of_equal_confidence_are_in_random_order(risk: np.ndarray) -> None:
    found = score_selection(np.zeros((6, 1)), risk, np.eye(6))
    assert found.area.value == pytest.approx(risk.mean(), abs=1e-12)


def test_a_perfect_order_has_no_excess_and_its_reverse_the_most() -> None:
    risk = np.random.default_rng(0).random((30, 1))
    best, worst, other = (score_selection(one, risk, np.eye(30)) for one in (-risk, risk, np.sin(99 * risk)))
    assert best.excess.value == 0
    assert best.area.value == best.optimal
    assert worst.area.value is not None
    assert other.area.value is not None
    assert best.area.value < other.area.value < worst.area.value


def test_images_without_pixels_are_left_out() -> None:
    random = np.random.default_rng(0)
    confidence, risk = random.random((9, 3)), random.random((9, 3))
    blank = random.random((9, 3)) < 0.3
    found = score_selection(confidence, np.where(blank, np.nan, risk), np.eye(9))
    assert found.images == (~blank).sum()
    assert found.area.value == pytest.approx(area_by_sorting(confidence[~blank], risk[~blank]))


def draw_images(number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and risk (N, 4) of images that are hard or not, under conditions of four severities."""
    hardness = rng.normal(0, 1, (number, 1)) + np.linspace(0, 1.5, 4)
    risk = 1 / (1 + np.exp(2.2 - 1.2 * hardness - 0.5 * rng.normal(0, 1, hardness.shape)))
    return rng.normal(0, 1, hardness.shape) - 0.7 * hardness, risk


@pytest.mark.parametrize("size", [1, 3])
def test_intervals_hold_the_areas_of_the_population_as_often_as_they_say(size: int) -> None:
    """In 200 test sets of 30 units 95 % is 190, give or take three standard deviations of 3.1."""
    rng = np.random.default_rng(0)
    confidence, risk = draw_images(50_000, rng)
    truth = area_by_sorting(confidence, risk)
    excess = truth - area_by_sorting(-risk, risk)
    held = [0, 0]
    for _ in range(200):
        units = np.repeat(np.arange(30), size)  # copies of an image tell nothing new
        drawn = [part[units] for part in draw_images(30, rng)]
        found = score_selection(*drawn, np.eye(30)[:, units])
        for place, (number, wanted) in enumerate([(found.area, truth), (found.excess, excess)]):
            assert number.low is not None
            assert number.high is not None
            held[place] += number.low <= wanted <= number.high
    assert all(179 <= number <= 199 for number in held), held


def test_mean_confidence_is_that_of_the_pixels() -> None:
    """Though it is not counted by itself."""
    import torch

    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(0, 2, (5, 3, 8, 9)).astype(np.float32))
    mask = torch.from_numpy(random.integers(0, 3, (5, 8, 9)))
    mask[random.random(mask.shape) < 0.3] = 255
    mask[4] = 255
    counts = SweepCounts(3).count(logits, logits.argmax(1), mask)
    images = Images(list("abcde"), {name: part.numpy()[:, None] for name, part in counts.items()})
    found = find_confidences(images, [0, 1, 2])["mean confidence"][:, 0]
    sure = logits.softmax(1).amax(1)
    wanted = [float(one[kept != 255].mean()) for one, kept in zip(sure[:4], mask[:4], strict=True)]
    assert found[:4] == pytest.approx(wanted, abs=1 / UNIT)
    assert np.isnan(found[4])


def test_a_record(tmp_path: Path) -> None:
    record, images = read_swept(make_record(tmp_path / "a.json", images=30))
    found = score_selections(record, images, list_parts(record))
    assert [*found] == [("clean", "mean confidence"), ("corrupted", "mean confidence")]
    confidence = find_confidences(images, list_foreground(CLASSES))["mean confidence"]
    risk = compute_risk(images.counts["classes"], list_foreground(CLASSES))
    corrupted = found["corrupted", "mean confidence"]
    assert corrupted.images == 60
    assert corrupted.area.value == pytest.approx(area_by_sorting(confidence[:, 1:], risk[:, 1:]), abs=1e-3)  # few ties
    assert corrupted.area.low is not None


def test_records_without_gaps_of_images_have_no_confidence_of_them() -> None:
    record, images = read_swept(RESULTS / "camvid/imagenet_c_middle/unet.json")
    assert score_selections(record, images, list_parts(record)) == {}
