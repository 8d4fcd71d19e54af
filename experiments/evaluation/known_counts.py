"""Counts of a record that this version knows: their shapes, which are never negative, and relations between them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from experiments.evaluation.scores.overlap import compute_class_counts
from experiments.evaluation.scores.probabilities import compute_calibration_gaps
from experiments.evaluation.scores.tasks import TASK

CALIBRATION_BINS = 15
LOG_ODDS_BINS = 448
IMAGE_LOG_ODDS_BINS = 56
"""As `lightning_modules.metrics.fixed_point` has them."""

ODDS_BINS = 160
"""Of earlier records."""


def list_known_shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """The shape of each known count for so many classes.

    ``confusion``, rows are true classes; ``classes``, intersection, predicted and true pixels of each class;
    ``boundary``, the same within the boundary regions; ``losses``, negative log-likelihood and Brier score in fixed
    point; ``calibration``, pixels, correct ones and confidence in fixed point of each bin of the confidence; ``gaps``, by
    how much its confidence exceeds its correct pixels; ``log_odds``, pixels and correct ones of each bin of the log
    odds, from the most confident on; ``image_log_odds``, the same in wider bins; ``odds``, what earlier records have
    instead; ``outlier_log_odds`` and ``image_outlier_log_odds``, likewise of pixels and inliers; ``entropy`` of the softmax
    in fixed point; ``pairwise_dice``, of each class, its sum over pairs of members in fixed point, and the number of these
    pairs; ``file_classes``, as ``classes`` at the size of the files; ``inside`` and ``outside``, as ``classes``, of the region
    that a condition changes, and of the rest.
    """
    return {
        "confusion": (classes, classes),
        "classes": (classes, 3),
        "boundary": (classes, 3),
        "losses": (2,),
        "calibration": (CALIBRATION_BINS, 3),
        "gaps": (CALIBRATION_BINS,),
        "odds": (ODDS_BINS, 2),
        "log_odds": (LOG_ODDS_BINS, 2),
        "image_log_odds": (IMAGE_LOG_ODDS_BINS, 2),
        "outlier_log_odds": (LOG_ODDS_BINS, 2),
        "image_outlier_log_odds": (IMAGE_LOG_ODDS_BINS, 2),
        "entropy": (1,),
        "pairwise_dice": (classes, 2),
        "file_classes": (classes, 3),
        "inside": (classes, 3),
        "outside": (classes, 3),
    }


def is_nonnegative(name: str, classes: int) -> bool:
    """Whether counts of that name are never negative; `False` for names that this version does not know."""
    return name.startswith(TASK) or (name in list_known_shapes(classes) and name != "gaps")


class Relation(NamedTuple):
    """A relation between two counts of one condition; it is checked where both are there."""

    one: str
    other: str
    holds: Callable[[np.ndarray, np.ndarray, list[int]], bool]  # of both, and the places of classes in no mean


def _have_same_pixels(binned: np.ndarray, confusion: np.ndarray, unscored: list[int]) -> bool:
    return tuple(binned[:, :2].sum(0)) == (confusion.sum(), confusion.trace())


def _have_same_bins(wide: np.ndarray, narrow: np.ndarray, unscored: list[int]) -> bool:
    return np.array_equal(wide, narrow.reshape(len(wide), -1, 2).sum(1))


def _are_class_counts(classes: np.ndarray, confusion: np.ndarray, unscored: list[int]) -> bool:
    wanted = compute_class_counts(confusion)
    wanted[unscored] = 0
    return np.array_equal(classes, wanted)


def _are_gaps(gaps: np.ndarray, calibration: np.ndarray, unscored: list[int]) -> bool:
    return np.array_equal(gaps, compute_calibration_gaps(calibration))


def _are_part_of(part: np.ndarray, classes: np.ndarray, unscored: list[int]) -> bool:
    return bool((part <= classes).all())


RELATIONS = (
    Relation("calibration", "confusion", _have_same_pixels),
    Relation("odds", "confusion", _have_same_pixels),
    Relation("log_odds", "confusion", _have_same_pixels),
    Relation("image_log_odds", "log_odds", _have_same_bins),
    Relation("image_outlier_log_odds", "outlier_log_odds", _have_same_bins),
    Relation("classes", "confusion", _are_class_counts),
    Relation("gaps", "calibration", _are_gaps),
    Relation("inside", "classes", _are_part_of),
    Relation("outside", "classes", _are_part_of),
)


def add_derived(counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Counts (..., shape), and those that records of the second format left out because they follow from others."""
    return {
        **counts,
        "classes": compute_class_counts(counts["confusion"]),
        "gaps": compute_calibration_gaps(counts["calibration"]),
    }
