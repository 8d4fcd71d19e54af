"""Scores of further tasks; their counts are named after the task, see `TASK`."""

from collections.abc import Callable

import numpy as np

from experiments.evaluation.scores.base import UNIT, MeanScore, Unit, unchanged
from experiments.evaluation.scores.shares import Share

TASK = "task_"
"""How the counts of a task are called among other counts, before its name."""


def decibels(share: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of a mean squared error, as a share of the squared peak; NaN where there is no error."""
    return -10 * np.log10(share, out=np.full(np.shape(share), np.nan), where=np.asarray(share) > 0)


def _of_classes(counts: np.ndarray) -> Share:
    """F1 of each class; (right, said, shown) of one after another."""
    right, said, shown = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 3), -1, 0)
    return Share(2 * right, said + shown)


def _one(numerator: np.ndarray, denominator: np.ndarray) -> Share:
    return Share(numerator[..., None], denominator[..., None])


def _of_boundary(counts: np.ndarray) -> Share:
    right, said, true = np.moveaxis(counts, -1, 0)
    return _one(2 * right, said + true)


def _of_distances(counts: np.ndarray) -> Share:
    pixels, errors = np.moveaxis(counts, -1, 0)
    return _one(errors, pixels * UNIT)


def _close(counts: np.ndarray) -> Share:
    pixels, close, _ = np.moveaxis(counts, -1, 0)
    return _one(close, pixels)


def _of_depths(counts: np.ndarray) -> Share:
    pixels, _, errors = np.moveaxis(counts, -1, 0)
    return _one(errors, pixels * UNIT)


def _of_levels(counts: np.ndarray) -> Share:
    values, errors = np.moveaxis(counts, -1, 0)
    return _one(errors, values * 255**2)


def _score(
    task: str,
    share: Callable[[np.ndarray], Share],
    unit: Unit = "percent",
    lower_is_better: bool = False,
    scale: Callable[[np.ndarray], np.ndarray] = unchanged,
) -> MeanScore:
    name = TASK + task
    return MeanScore(
        (name,), lambda counts: share(counts[name].astype(np.int64, copy=False)), unit, lower_is_better, scale
    )


SCORES = {
    "classification.f1": _score(
        "classification", _of_classes
    ),  # macro F1 over the classes that are shown or said to be
    "boundary.f1": _score("boundary", _of_boundary),  # of boundary pixels
    "distance.error": _score("distance", _of_distances, "pixels", lower_is_better=True),  # mean absolute error
    "depth.delta1": _score("depth", _close),  # share of pixels within a factor of 1.25
    "depth.relative_error": _score("depth", _of_depths, "number", lower_is_better=True),
    "reconstruction.psnr": _score("reconstruction", _of_levels, "dB", scale=decibels),
}
