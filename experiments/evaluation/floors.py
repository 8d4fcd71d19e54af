"""What an answer scores that does not look at the images: below it, a score says nothing of a network."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.evaluation.record import Images, Record
from experiments.evaluation.robustness import CLEAN
from experiments.evaluation.scores.base import UNIT
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import point_estimate

CONSTANT, PRIOR = "constant", "prior"


class Floor(NamedTuple):
    """The best answer that does not look at the images.

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


def answer_by_prior(images: Images, clean: int) -> Images:
    """Images of whose pixels each is called a class at random, as often as classes are in the clean masks.

    Counts are those that are expected, in units of 1 / `UNIT` pixels, which cancel out of every ratio.
    """
    true = images.counts["classes"][..., 2].astype(np.int64)
    prior = true[:, clean].sum(0) / max(1, true[:, clean].sum())
    hit = np.rint(UNIT * prior * true).astype(np.int64)
    predicted = np.rint(UNIT * prior * true.sum(-1, keepdims=True)).astype(np.int64)
    return images._replace(counts={"classes": np.stack([hit, predicted, UNIT * true], axis=-1)})


def find_floor(record: Record, images: Images, ratio: Callable[[Images], Ratio]) -> Floor:
    """The best of the constant answers and the one by prior, by their score on the clean images.

    Args:
        record: whose classes and conditions.
        images: its counts, of which the masks' alone are used.
        ratio: of the score, from the pixels of each class.
    """
    clean = record.conditions.index((CLEAN, 0))
    answers = [(f"all {name}", answer_constantly(images, place)) for place, name in enumerate(record.classes)]
    answers.append(("at random by prior", answer_by_prior(images, clean)))
    found = [Floor(name, one, float(point_estimate(ratio(one))[clean])) for name, one in answers]
    return max(found, key=lambda floor: -1.0 if np.isnan(floor.score) else floor.score)
