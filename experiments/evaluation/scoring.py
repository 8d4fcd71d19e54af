"""The numbers of a record, from the counts of its sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.images import Images
from experiments.evaluation.jackknife import Scale
from experiments.evaluation.kinds import ATTACK
from experiments.evaluation.record import Bounds, Cell, CountForm, Manifest, Summary
from experiments.evaluation.robustness import Condition
from experiments.evaluation.scores.base import Counts, as_number
from experiments.evaluation.scores.known import compute_condition_scores
from experiments.evaluation.scores.overlap import iou, mean_iou
from experiments.evaluation.statistics import (
    LEVEL,
    RESAMPLES,
    Interval,
    compute_joint_intervals,
    estimate_scores,
    split_conditions,
)

BOOTSTRAP = f"bootstrap over {{units}}, {RESAMPLES} resamples, seed 0, level {LEVEL}, percentile and BCa"
"""How the intervals of records were made before there was a third."""

METHOD = f"jackknife t over {{units}}, level {LEVEL}; {BOOTSTRAP}"

RATIOS = ("retention", "rpc")
"""Numbers of a summary that are no score of their own: they may be above 1."""


def find_intervals(
    conditions: Sequence[Condition], images: Images, manifest: Manifest, left_out: Sequence[str] = ()
) -> tuple[dict[str, Bounds], list[Bounds]]:
    """Intervals of a summary's numbers by dotted name, and of each cell's mIoU: from the same resamples."""
    families, kinds = manifest.find_families(), manifest.find_kinds(conditions)
    counted = robustness.find_headline_places(conditions, left_out, kinds)
    headline = [conditions[place] for place in counted]
    classes = images.counts["classes"]
    cells = [f"{name}/{severity}" for name, severity in conditions]

    def measure(scores: np.ndarray) -> dict[str, np.ndarray]:
        by_cell = {name: scores[..., place] for place, name in enumerate(cells)}
        further = robustness.compute_further_means(scores, conditions, left_out, kinds)
        named = {f"means.{kind}": mean for kind, mean in further.items()}
        return robustness.compute_summary_numbers(scores[..., counted], headline, families) | named | by_cell

    parts = (images.sum_by_unit(iou(np.ascontiguousarray(classes[:, at]))) for at in split_conditions(classes.shape))
    bounds = compute_joint_intervals(
        [estimate_scores(parts, blocks=images.blocks)], lambda scores: measure(scores[0]), find_scale
    )
    found = {name: make_bounds(interval) for name, interval in bounds.items()}
    return found, [found.pop(name) for name in cells]


def find_scale(name: str) -> Scale:
    """The scale of a number of a summary."""
    return "difference" if name in RATIOS else "score"


def make_cells(conditions: Sequence[Condition], totals: Counts, bounds: Sequence[Bounds]) -> list[Cell]:
    """Cells of a sweep's sums (conditions, ...) by name, with the intervals of their mIoU."""
    cells = []
    for place, ((corruption, severity), interval) in enumerate(zip(conditions, bounds, strict=True)):
        own = {name: part[place] for name, part in totals.items()}
        cells.append(
            Cell(
                corruption=corruption,
                severity=severity,
                counts={name: part.tolist() for name, part in own.items()},
                scores=compute_condition_scores(own),
                miou_interval=interval,
            )
        )
    return cells


def describe_counts(totals: Counts, per_image: Counts) -> dict[str, CountForm]:
    """The forms of a sweep's counts.

    Args:
        totals: (conditions, ...) by name.
        per_image: those of them that are there image by image.
    """
    return {name: CountForm(shape=[*part.shape[1:]], per_image=name in per_image) for name, part in totals.items()}


def make_bounds(interval: Interval) -> Bounds:
    """Intervals as JSON holds them."""
    percentile, bca, jackknife = ((as_number(low), as_number(high)) for low, high in interval)
    return Bounds(percentile=percentile, bca=bca, jackknife=jackknife)


def compute_summary(
    every: Sequence[Condition], totals: Counts, manifest: Manifest, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields of `Summary` that follow from the cells, whose conditions are `every`."""
    kinds = manifest.find_kinds(every)
    counted, scores = robustness.find_headline_places(every, left_out, kinds), mean_iou(totals["classes"])
    miou, conditions = scores[counted], [every[place] for place in counted]
    attacks = [name for (name, _), kind in zip(every, kinds, strict=True) if kind == ATTACK]
    worst = robustness.find_worst(miou, conditions)

    def as_numbers(values: Mapping[Any, np.ndarray]) -> dict[Any, float | None]:
        return {name: as_number(value) for name, value in values.items()}

    return {
        **as_numbers(robustness.summarise(miou, conditions)),
        "worst": None
        if worst is None
        else {"corruption": conditions[worst][0], "severity": conditions[worst][1], "miou": float(miou[worst])},
        "gam": as_numbers(robustness.generalisation_ability_measure(miou, conditions)),
        "rem": as_number(robustness.reliability_measure(scores, every, attacks)),
        "families": as_numbers(robustness.compute_family_means(miou, conditions, manifest.find_families())),
        "corruptions": as_numbers(robustness.compute_corruption_means(miou, conditions)),
        "shifts": as_numbers(robustness.select_shift_scores(miou, conditions)),
        "means": as_numbers(robustness.compute_further_means(scores, every, left_out, kinds)),
    }


def make_summary(
    conditions: Sequence[Condition],
    totals: Counts,
    manifest: Manifest,
    bounds: dict[str, Bounds],
    units: str,
    left_out: Sequence[str] = (),
) -> Summary:
    """Summary of a sweep's sums; `units` says in words what intervals are over."""
    return Summary(
        **compute_summary(conditions, totals, manifest, left_out),
        intervals=bounds,
        interval_method=METHOD.format(units=units),
    )
