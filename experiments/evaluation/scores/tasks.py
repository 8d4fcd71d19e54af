"""Scores of further tasks; their counts are named after the task, see `TASK`."""

from collections.abc import Callable

import numpy as np

from experiments.evaluation.scores.base import UNIT, MeanScore, Unit, identity
from experiments.evaluation.scores.ratios import Ratio

TASK = "task_"
"""How the counts of a task are called among other counts, before its name."""


def as_decibels(ratio: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of a mean squared error, as a fraction of the squared peak; NaN where there is no error."""
    return -10 * np.log10(ratio, out=np.full(np.shape(ratio), np.nan), where=np.asarray(ratio) > 0)


def _classification_f1(counts: np.ndarray) -> Ratio:
    """F1 of each class; (correct, predicted, true) of one after another."""
    correct, predicted, true = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 3), -1, 0)
    return Ratio(2 * correct, predicted + true)


def _make_single_ratio(numerator: np.ndarray, denominator: np.ndarray) -> Ratio:
    return Ratio(numerator[..., None], denominator[..., None])


def _boundary_f1(counts: np.ndarray) -> Ratio:
    correct, predicted, true = np.moveaxis(counts, -1, 0)
    return _make_single_ratio(2 * correct, predicted + true)


def _distance_error(counts: np.ndarray) -> Ratio:
    pixels, errors = np.moveaxis(counts, -1, 0)
    return _make_single_ratio(errors, pixels * UNIT)


def _depth_delta1(counts: np.ndarray) -> Ratio:
    pixels, close, _ = np.moveaxis(counts, -1, 0)
    return _make_single_ratio(close, pixels)


def _depth_relative_error(counts: np.ndarray) -> Ratio:
    pixels, _, errors = np.moveaxis(counts, -1, 0)
    return _make_single_ratio(errors, pixels * UNIT)


def _reconstruction_error(counts: np.ndarray) -> Ratio:
    values, errors = np.moveaxis(counts, -1, 0)
    return _make_single_ratio(errors, values * 255**2)


def _make_score(
    task: str,
    ratio: Callable[[np.ndarray], Ratio],
    unit: Unit = "percent",
    lower_is_better: bool = False,
    scale: Callable[[np.ndarray], np.ndarray] = identity,
) -> MeanScore:
    name = TASK + task
    return MeanScore(
        (name,), lambda counts: ratio(counts[name].astype(np.int64, copy=False)), unit, lower_is_better, scale
    )


SCORES = {
    "classification.f1": _make_score(
        "classification", _classification_f1
    ),  # macro F1 over the classes that occur in truth or prediction
    "boundary.f1": _make_score("boundary", _boundary_f1),  # of boundary pixels
    "distance.error": _make_score("distance", _distance_error, "pixels", lower_is_better=True),  # mean absolute error
    "depth.delta1": _make_score("depth", _depth_delta1),  # fraction of pixels within a factor of 1.25
    "depth.relative_error": _make_score("depth", _depth_relative_error, "number", lower_is_better=True),
    "reconstruction.psnr": _make_score("reconstruction", _reconstruction_error, "dB", scale=as_decibels),
}
