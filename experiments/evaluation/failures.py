"""How well the confidence of pixels tells which of them are wrong: scores of a record with intervals.

These scores are no ratios that add up over images, so what they become without an image cannot follow from two integers of
it. It follows from a histogram of its own: taken from that of all, it leaves the histogram without it. Histograms of
single images have two bins to an octave of the log odds, those of the sums sixteen, since every image has them under every
condition. A score itself is that of the narrow bins; that it changes by so much without an image is said by the wide ones.
The standard deviations of these changes are within 5 % those of narrow bins, which a test holds, within 15 % for the rate of
false positives, and for any score of 150 classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.blocks import Blocks
from experiments.evaluation.images import Images
from experiments.evaluation.jackknife import Scale, jackknife_interval
from experiments.evaluation.record import Record
from experiments.evaluation.scores.base import (
    HISTOGRAMS,
    Counts,
    CurveScore,
    as_number,
)
from experiments.evaluation.scores.known import find_curve_scores, find_mean_scores
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.scores.semantic import PARTS, harmonic_mean, semantic_mean
from experiments.evaluation.statistics import jackknife

SEMANTIC = "bravo_semantic"
CHUNK = 2**23  # numbers of histograms at a time: bounds the memory of many images


class Estimate(NamedTuple):
    """A score of each condition, and what it becomes without each unit or block of units where that is known."""

    values: np.ndarray  # (conditions,)
    left_out: np.ndarray | None  # (U, conditions)
    blocks: Blocks


class Bounded(NamedTuple):
    """A number with the edges of its interval; `None` where there are none."""

    value: float | None
    low: float | None
    high: float | None


def sum_left_out(images: Images, part: np.ndarray) -> np.ndarray:
    """What counts (N, ...) of images lose where each unit is left out, or each block of units, (U, ...)."""
    return images.blocks.sum_blocks(images.sum_by_unit(Ratio(part, part)).numerator)


def estimate_pixel_scores(record: Record, images: Images) -> dict[str, Estimate]:
    """Scores of how confidence ranks pixels, the others of the BRAVO challenge, and their harmonic mean, by name.

    Records of before have no histograms of single images, and some no gaps of them: their scores are without intervals.
    """
    totals = record.totals
    found = {name: _estimate_mean(name, totals, images) for name in ("miou", "ece")}
    if not totals.keys().isdisjoint(HISTOGRAMS):
        found |= {
            name: estimate_curve(one, totals, images)
            for name, one in find_curve_scores().items()
            if one.follows_from(totals)
        }
        parts = {name: found[name] for name in PARTS}
        left_out = [one.left_out for one in parts.values()]
        known = {name: part for name, part in zip(parts, left_out, strict=True) if part is not None}
        found[SEMANTIC] = Estimate(
            semantic_mean({name: one.values for name, one in parts.items()}),
            semantic_mean(known) if len(known) == len(parts) else None,
            images.blocks,
        )
    return found


def _estimate_mean(name: str, totals: Counts, images: Images) -> Estimate:
    one = find_mean_scores()[name]
    left_out = None
    if one.follows_from(images.counts):
        left_out = one.scale(jackknife(images.sum_by_unit(one.ratio(images.counts)), images.blocks))
    return Estimate(one(totals), left_out, images.blocks)


def estimate_curve(one: CurveScore, totals: Counts, images: Images) -> Estimate:
    """A score of histograms under each condition, and without each unit.

    Args:
        one: the score.
        totals: counts (conditions, ...) of all images.
        images: theirs.
    """
    values, of_images = one.compute(one.find_histogram(totals)), one.image_histogram
    if of_images not in images.counts:
        return Estimate(values, None, images.blocks)
    total, removed = totals[of_images], sum_left_out(images, images.counts[of_images])
    step = max(1, CHUNK // max(1, total.size))
    without = [one.compute(total - removed[start : start + step]) for start in range(0, len(removed), step)]
    return Estimate(values, np.concatenate(without) + (values - one.compute(total)), images.blocks)


def list_parts(record: Record) -> dict[str, list[int]]:
    """Places of the clean condition, of the corrupted ones, and of those of each further kind, by name."""
    conditions, kinds = record.conditions, record.kinds
    parts = {"clean": [conditions.index((robustness.CLEAN, 0))]}
    if corrupted := [place for place in record.headline_places if conditions[place][1]]:
        parts["corrupted"] = corrupted
    for kind in dict.fromkeys(kinds):
        places = [at for at, one in enumerate(conditions) if kinds[at] == kind and at not in record.headline_places]
        places = [at for at in places if not robustness.is_left_out(conditions[at], record.left_out)]
        if places:
            parts[kind] = places
    return parts


def list_conditions(record: Record) -> dict[str, list[int]]:
    """The place of each condition by its name, those that are in no mean among them."""
    return {f"{name} {severity}" if severity else name: [at] for at, (name, severity) in enumerate(record.conditions)}


def summarise_pixel_scores(
    record: Record,
    estimates: Mapping[str, Estimate],
    parts: Mapping[str, Sequence[int]],
    reference: Mapping[str, Estimate] | None = None,
) -> dict[str, dict[str, Bounded]]:
    """Numbers of each part by name: means over corruptions of the means over their severities, with 95 % intervals.

    The semantic mean is harmonic over conditions too, as the challenge has it over its subsets.

    Args:
        record: of the sweep.
        estimates: of `estimate_pixel_scores`.
        parts: places of conditions by name.
        reference: estimates of another record of the same images under the same conditions; the numbers are then
            differences from its own, in pairs.
    """
    found: dict[str, dict[str, Bounded]] = {}
    for part, places in parts.items():
        conditions = [record.conditions[at] for at in places]
        found[part] = {}
        for name, one in estimates.items():
            mean, other = _make_mean(name, conditions), None if reference is None else reference.get(name)
            if reference is None or other is not None:
                found[part][name] = bound_number(one, mean, places, other)
    return found


def _make_mean(name: str, conditions: Sequence[robustness.Condition]) -> Callable[[np.ndarray], np.ndarray]:
    if len(conditions) == 1:
        return lambda scores: scores[..., 0]
    if name == SEMANTIC:
        return harmonic_mean
    return lambda scores: robustness.compute_corrupted_mean(scores, conditions)


def bound_number(
    one: Estimate,
    mean: Callable[[np.ndarray], np.ndarray],
    places: Sequence[int],
    reference: Estimate | None = None,
) -> Bounded:
    """The mean over some conditions with its interval, or its difference from that of a reference."""
    value = float(mean(one.values[places]))
    left_out = None if one.left_out is None else mean(one.left_out[:, places])
    if reference is None:
        return bound(value, left_out, one.blocks)
    if left_out is not None:
        left_out = None if reference.left_out is None else left_out - mean(reference.left_out[:, places])
    return bound(value - float(mean(reference.values[places])), left_out, one.blocks, "difference")


def bound(value: float, left_out: np.ndarray | None, blocks: Blocks | None = None, scale: Scale = "score") -> Bounded:
    """A number with its interval, from what it becomes without each unit or block (U,) where that is known."""
    if left_out is None:
        return Bounded(as_number(value), None, None)
    low, high = jackknife_interval(value, left_out, scale, blocks=blocks)
    return Bounded(as_number(value), as_number(low), as_number(high))
