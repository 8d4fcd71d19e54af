"""How well a confidence of whole images tells which of them are badly segmented (Zenk et al., Med. Image Anal. 2025).

The risk of an image is 1 less its Dice. Images are sorted by a confidence that needs no mask, and the area under the curve
of the mean risk over the ratio of images that are kept says how good that order is (Jaeger et al., ICLR 2023).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.blocks import Blocks
from experiments.evaluation.failures import Bounded, bound, sum_left_out
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.robustness import divide
from experiments.evaluation.scores.base import UNIT, Counts, as_number
from experiments.evaluation.scores.curves import selective_risk_area
from experiments.evaluation.scores.foreground import list_foreground
from experiments.evaluation.scores.overlap import dice
from experiments.evaluation.scores.ratios import Ratio, compute_score

CHUNK = 2**20  # numbers at a time, of units and images: bounds the memory of many images


class Selection(NamedTuple):
    """Areas under the risk-coverage curve of some images: by their confidence, by their risk, and in no order.

    ``excess`` is what the confidence's area has above the optimal one, which is 0 for a perfect order (e-AURC; Geifman et
    al., ICLR 2019).
    """

    images: int
    area: Bounded
    optimal: float | None
    random: float | None
    excess: Bounded
    left_out: np.ndarray  # (2, U) area and excess without each unit or block
    blocks: Blocks | None

    def subtract(self, other: "Selection") -> tuple[Bounded, Bounded]:
        """Area and excess less those of another network on the same images, in pairs."""
        changes = self.left_out - other.left_out
        pairs = ((self.area, other.area), (self.excess, other.excess))
        area, excess = (
            bound(_as_float(one.value) - _as_float(two.value), change, self.blocks, "difference")
            for (one, two), change in zip(pairs, changes, strict=True)
        )
        return area, excess


def _as_float(value: float | None) -> float:
    return float("nan") if value is None else value


def compute_risk(classes: np.ndarray, foreground: Sequence[int]) -> np.ndarray:
    """1 less the mean Dice of the foreground's classes of each image under each condition, (N, conditions).

    A class that is neither in the mask nor in the prediction leaves the mean. Where that is all of them, nothing was to be
    found and nothing was: the risk is 0. NaN without labelled pixels.

    Args:
        classes: (N, conditions, K, 3): intersection, predicted and true pixels.
        foreground: places of its classes.
    """
    found = compute_score(dice(classes[..., list(foreground), :]))
    labelled = classes[..., 2].sum(-1) > 0
    return np.where(labelled, 1 - np.where(np.isnan(found), 1, found), np.nan)


def _mean_confidence(counts: Counts, foreground: Sequence[int]) -> np.ndarray:
    """Of the softmax's maximum over labelled pixels; the gaps hold its sum less that of the right pixels."""
    hits, pixels = (counts["classes"][..., place].sum(-1).astype(np.float64) for place in (0, 2))
    return divide(counts["gaps"].sum(-1) / UNIT + hits, pixels)


def _negative_entropy(counts: Counts, foreground: Sequence[int]) -> np.ndarray:
    """Of the softmax, the mean over labelled pixels."""
    return divide(-counts["entropy"][..., 0] / UNIT, counts["classes"][..., 2].sum(-1))


def _pairwise_dice(counts: Counts, foreground: Sequence[int]) -> np.ndarray:
    """Mean over the foreground's classes of the mean Dice of each two members; 1 where none predicts any of them."""
    dices, pairs = np.moveaxis(counts["pairwise_dice"].astype(np.float64), -1, 0)
    found = compute_score(Ratio(dices[..., list(foreground)] / UNIT, pairs[..., list(foreground)]))
    return np.where(pairs.sum(-1) > 0, np.where(np.isnan(found), 1, found), np.nan)


class Confidence(NamedTuple):
    """A confidence of whole images.

    ``needs`` are the counts that it follows from; ``compute`` makes (N, conditions) of them and of the places of the
    foreground's classes, more where the network is surer, NaN where there is none.
    """

    needs: tuple[str, ...]
    compute: Callable[[Counts, Sequence[int]], np.ndarray]


CONFIDENCES = {
    "mean confidence": Confidence(("gaps", "classes"), _mean_confidence),
    "mean entropy": Confidence(("entropy", "classes"), _negative_entropy),
    "pairwise Dice": Confidence(("pairwise_dice",), _pairwise_dice),
}
"""By name: the first of every sweep, the others of one with ``--counters entropy members``."""


def find_confidences(images: Images, foreground: Sequence[int]) -> dict[str, np.ndarray]:
    """The confidences (N, conditions) that follow from the counts of the images, by name; those without any are left out.

    Args:
        images: their counts.
        foreground: places of the classes that Dice is the mean of.
    """
    found = {
        name: one.compute(images.counts, foreground)
        for name, one in CONFIDENCES.items()
        if images.counts.keys() >= {*one.needs}
    }
    return {name: values for name, values in found.items() if not np.isnan(values).all()}


def score_selections(record: Record, images: Images, parts: dict[str, list[int]]) -> dict[tuple[str, str], Selection]:
    """Areas of each part and each confidence, the images under all conditions of a part together.

    Args:
        record: of the images.
        images: their counts.
        parts: places of conditions by name.
    """
    foreground = list_foreground(record.classes)
    risk, confidences = compute_risk(images.counts["classes"], foreground), find_confidences(images, foreground)
    alone = np.eye(len(images.ids), dtype=np.int64)
    removed = sum_left_out(images, alone)
    return {
        (part, name): score_selection(confidence[:, places], risk[:, places], removed, images.blocks)
        for part, places in parts.items()
        for name, confidence in confidences.items()
    }


def score_selection(
    confidence: np.ndarray, risk: np.ndarray, removed: np.ndarray, blocks: Blocks | None = None
) -> Selection:
    """Areas with their intervals from what they become without each unit, all its images under all conditions at once.

    Args:
        confidence: (N, conditions).
        risk: (N, conditions) in [0, 1].
        removed: (U, N) which images are left out together.
        blocks: of units that follow each other; independent ones if `None`.
    """
    known = ~(np.isnan(confidence) | np.isnan(risk))
    owners = np.nonzero(known)[0]
    risks = risk[known]
    area, areas = _compute_areas(confidence[known], risks, owners, removed)
    optimal, optima = _compute_areas(-risks, risks, owners, removed)
    mean = float(risks.mean()) if len(risks) else float("nan")
    return Selection(
        images=len(risks),
        area=bound(area, areas, blocks),
        optimal=as_number(optimal),
        random=as_number(mean),
        excess=bound(area - optimal, areas - optima, blocks),
        left_out=np.stack([areas, areas - optima]),
        blocks=blocks,
    )


def _compute_areas(
    confidence: np.ndarray, risks: np.ndarray, owners: np.ndarray, removed: np.ndarray
) -> tuple[float, np.ndarray]:
    """The area of all items (n,), and (U,) without those of the images that are removed together.

    Args:
        confidence: of each item.
        risks: likewise.
        owners: the image of each item, in rising order.
        removed: (U, N) of images.
    """
    values, groups = np.unique(-confidence, return_inverse=True)
    items = np.bincount(groups, minlength=len(values))
    sums = np.bincount(groups, risks, minlength=len(values))
    whole = float(selective_risk_area(items, sums))
    step, without = max(1, CHUNK // max(1, len(values))), []
    for start in range(0, len(removed), step):
        chosen = removed[start : start + step]
        left_items, left_sums = (np.repeat(part[None], len(chosen), axis=0) for part in (items, sums))
        for place, one in enumerate(chosen):
            own = np.flatnonzero(one[owners])
            np.subtract.at(left_items[place], groups[own], 1)
            np.subtract.at(left_sums[place], groups[own], risks[own])
        without.append(selective_risk_area(left_items, np.where(left_items > 0, left_sums, 0)))
    return whole, np.concatenate(without)
