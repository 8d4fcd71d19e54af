"""From the summed counts of a task to its scores; no torch, so that whoever reads a record knows them too."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.metrics.shares import Share, score

TASK = "task_"
"""How the counts of a task are called wherever they stand among other arrays, before its name."""

Unit = Literal["percent", "pixels", "dB", "number"]


def unchanged(share: np.ndarray) -> np.ndarray:
    """A share as it is."""
    return share


def decibels(share: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of a mean squared error, as a share of the squared peak; NaN where there is no error."""
    return -10 * np.log10(share, out=np.full(np.shape(share), np.nan), where=np.asarray(share) > 0)


class TaskScore(NamedTuple):
    """A score of a task: a share of its counts (..., S), perhaps on another scale.

    Called with counts of another number than the task has, it raises a ValueError.
    """

    share: Callable[[np.ndarray], Share]
    unit: Unit = "percent"
    lower_is_better: bool = False
    scale: Callable[[np.ndarray], np.ndarray] = unchanged

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Scores (...) of counts (..., S); NaN of nothing."""
        return self.scale(score(self.share(counts)))


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


SCORES: Mapping[str, Mapping[str, TaskScore]] = {
    "classification": {"f1": TaskScore(_of_classes)},  # macro F1 over the classes that are shown or said to be
    "boundary": {"f1": TaskScore(_of_boundary)},  # of boundary pixels
    "distance": {"error": TaskScore(_of_distances, "pixels", lower_is_better=True)},  # mean absolute error
    "depth": {
        "delta1": TaskScore(_close),  # share of pixels within a factor of 1.25
        "relative_error": TaskScore(_of_depths, "number", lower_is_better=True),
    },
    "reconstruction": {"psnr": TaskScore(_of_levels, "dB", scale=decibels)},
}
"""By the name of the task, and of the score."""
