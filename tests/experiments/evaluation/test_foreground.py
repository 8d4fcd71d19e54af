"""Overlap of the foreground, and means over images, held against scikit-learn and against a loop over images."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from experiments.evaluation.scores.foreground import (
    EMPTY,
    Empty,
    has_foreground,
    make_foreground_ratio,
    make_image_ratio,
)
from experiments.evaluation.scores.overlap import compute_class_counts, dice, iou
from experiments.evaluation.scores.ratios import compute_score

Pairs = list[tuple[np.ndarray, np.ndarray]]


def count(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    confusion = np.zeros((3, 3), dtype=np.int64)
    np.add.at(confusion, (true, predicted), 1)
    return compute_class_counts(confusion)


@pytest.fixture
def masks() -> Pairs:
    """Of three classes, the last of which some images lack in mask, prediction or both."""
    rng = np.random.default_rng(0)
    ranges = [(3, 3)] * 4 + [(2, 2), (2, 3), (3, 2), (1, 1)]
    return [(rng.integers(0, true, 50), rng.integers(0, predicted, 50)) for true, predicted in ranges]


def test_over_the_data_set_it_is_scikit_learns(masks: Pairs) -> None:
    counts = np.sum([count(*pair) for pair in masks], axis=0)
    true, predicted = (np.concatenate(part) for part in zip(*masks, strict=True))
    found = compute_score(make_foreground_ratio(iou, counts))
    assert found == pytest.approx(jaccard_score(true, predicted, labels=[1, 2], average="macro"))
    found = compute_score(make_foreground_ratio(dice, counts))
    assert found == pytest.approx(f1_score(true, predicted, labels=[1, 2], average="macro"))


@pytest.mark.parametrize("empty", EMPTY)
def test_a_mean_over_images_is_that_of_a_loop(masks: Pairs, empty: Empty) -> None:
    scores = []
    for true, predicted in masks:
        of_classes = []
        for k in (1, 2):
            if not (true == k).any() and not (predicted == k).any():
                of_classes += [1.0] if empty == "one" else []
            elif (true == k).any() or empty != "leave-out-empty-masks":
                of_classes.append(f1_score(true == k, predicted == k))
        scores += [np.mean(of_classes)] if of_classes else []
    counts = np.stack([count(*pair) for pair in masks])[:, None]
    ratio = make_image_ratio(dice, counts[..., 1:, :], empty).apply(lambda part: part.sum(0))
    assert compute_score(ratio)[0] == pytest.approx(np.mean(scores))


def test_a_foreground_is_that_of_two_classes_or_of_a_background() -> None:
    assert has_foreground(["healthy", "polyp"])
    assert has_foreground(["Background", "a", "b"])
    assert not has_foreground(["sky", "building", "road"])
