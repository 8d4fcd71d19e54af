"""What answers score that do not look at the images: below it, a score says nothing of a network."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.robustness import CLEAN
from experiments.evaluation.scores.base import UNIT
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import point_estimate

LARGEST = 2.0**62  # of the pixels of all images, in units of 1 / UNIT


class Floor(NamedTuple):
    """The best of the answers that are tried.

    Args:
        answer: in words, such as "all background".
        images: the counts that it has on the record's images.
        score: of the clean images.
    """

    answer: str
    images: Images
    score: float


def answer_constantly(images: Images, place: int) -> Images:
    """Images of whose pixels each is called the class at `place`."""
    true = images.counts["classes"][..., 2].astype(np.int64)
    hit, predicted = np.zeros_like(true), np.zeros_like(true)
    hit[..., place] = true[..., place]
    predicted[..., place] = true.sum(-1)
    return images._replace(counts={"classes": np.stack([hit, predicted, true], axis=-1)})


def answer_by_frequency(images: Images, frequency: np.ndarray) -> Images:
    """Images of whose pixels each is called a class at random, as often as it occurs.

    Counts are those that are expected, in units of 1 / `UNIT` pixels, which cancel out of every ratio.

    Args:
        images: whose masks.
        frequency: (K,) of the classes, which add up to 1.
    """
    true = images.counts["classes"][..., 2].astype(np.int64)
    hit = np.rint(UNIT * frequency * true).astype(np.int64)
    predicted = np.rint(UNIT * frequency * true.sum(-1, keepdims=True)).astype(np.int64)
    return images._replace(counts={"classes": np.stack([hit, predicted, UNIT * true], axis=-1)})


def find_floor(record: Record, images: Images, ratio: Callable[[Images], Ratio]) -> Floor | None:
    """The best of one class everywhere and of guessing by frequency, by their score on the clean images.

    An answer by position, such as a fixed shape in the middle, may score more: it does not follow from counts.

    Args:
        record: whose classes and conditions.
        images: its counts, of which the masks' alone are used.
        ratio: of the score, from the pixels of each class.

    Returns:
        `None` where counts are too large to be held in other units.
    """
    at = record.conditions.index((CLEAN, 0))
    clean = images._replace(counts={"classes": images.counts["classes"][:, at : at + 1]})
    true = clean.counts["classes"][..., 2].astype(np.float64)
    if true.sum() * UNIT > LARGEST:
        return None
    frequency = true.sum((0, 1)) / max(1.0, true.sum())
    makers: list[tuple[str, Callable[[Images], Images]]] = [
        (f"all {name}", partial(answer_constantly, place=place)) for place, name in enumerate(record.classes)
    ]
    makers.append(("guessing by frequency", partial(answer_by_frequency, frequency=frequency)))
    scores = [float(point_estimate(ratio(make(clean)))[0]) for _, make in makers]  # one at a time: each is a copy
    best = int(np.argmax([-1.0 if np.isnan(score) else score for score in scores]))
    answer, make = makers[best]
    return Floor(answer, make(images), scores[best])
