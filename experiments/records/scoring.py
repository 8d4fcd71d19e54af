"""The numbers of a record, from the counts of its sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.records import robustness
from experiments.records.record import Bounds, Cell, Images, Manifest, Summary, TaskCell, Totals
from experiments.records.robustness import Condition
from experiments.records.scores import Counts, class_counts, condition_scores, mean_iou, number, task_scores
from experiments.records.scores import iou as iou_share
from experiments.records.statistics import LEVEL, RESAMPLES, Interval, blocks, joint_intervals, scores_of

METHOD = f"bootstrap over {{units}}, {RESAMPLES} resamples, seed 0, level {LEVEL}, percentile and BCa"


def find_intervals(
    conditions: Sequence[Condition], images: Images, manifest: Manifest, left_out: Sequence[str] = ()
) -> tuple[dict[str, Bounds], list[Bounds]]:
    """Intervals of a summary's numbers by dotted name, and of each cell's mIoU: from the same resamples."""
    families, counted = manifest.of_family(), robustness.counted(conditions, left_out)
    kept = [conditions[place] for place in counted]
    classes = images.counts.classes
    cells = [f"{name}/{severity}" for name, severity in conditions]

    def measure(scores: np.ndarray) -> dict[str, np.ndarray]:
        by_cell = {name: scores[..., place] for place, name in enumerate(cells)}
        return robustness.numbers(scores[..., counted], kept, families) | by_cell

    parts = (images.share(iou_share(np.ascontiguousarray(classes[:, at]))) for at in blocks(classes.shape))
    bounds = joint_intervals([scores_of(parts)], lambda scores: measure(scores[0]))
    found = {name: make_bounds(interval) for name, interval in bounds.items()}
    return found, [found.pop(name) for name in cells]


def make_cells(conditions: Sequence[Condition], totals: Totals, bounds: Sequence[Bounds]) -> list[Cell]:
    """Cells of a sweep's sums, with the intervals of their mIoU."""
    counts = totals.counts()
    cells = []
    for place, ((corruption, severity), interval) in enumerate(zip(conditions, bounds, strict=True)):
        own = Totals(*(part[place] for part in totals))
        scores = condition_scores(Counts(*(part[place] for part in counts)), own.odds)
        fields = {name: part.tolist() for name, part in own._asdict().items()}
        cells.append(Cell(corruption=corruption, severity=severity, **fields, **scores, miou_interval=interval))
    return cells


def add_tasks(cells: Sequence[Cell], tasks: Mapping[str, np.ndarray]) -> None:
    """Score further tasks in each cell, from the counts (N, conditions, S) of the images."""
    for place, cell in enumerate(cells):
        sums = {name: counts[:, place].sum(0).tolist() for name, counts in tasks.items()}
        found = {name: TaskCell(counts=one, scores=task_scores(name, one)) for name, one in sums.items()}
        cell.tasks = found or None


def make_bounds(interval: Interval) -> Bounds:
    """Intervals as JSON holds them."""
    percentile, bca = ((number(low), number(high)) for low, high in interval)
    return Bounds(percentile=percentile, bca=bca)


def summary_numbers(
    conditions: Sequence[Condition], totals: Totals, manifest: Manifest, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields of `Summary` that follow from the cells."""
    counted = robustness.counted(conditions, left_out)
    miou = mean_iou(class_counts(totals.confusion))[counted]
    conditions = [conditions[place] for place in counted]
    worst = robustness.worst(miou, conditions)

    def held(values: Mapping[Any, np.ndarray]) -> dict[Any, float | None]:
        return {name: number(value) for name, value in values.items()}

    return {
        **held(robustness.summarise(miou, conditions)),
        "worst": None
        if worst is None
        else {"corruption": conditions[worst][0], "severity": conditions[worst][1], "miou": float(miou[worst])},
        "gam": held(robustness.generalisation(miou, conditions)),
        "rem": number(robustness.reliability(miou, conditions, list(manifest.of_family("attack")))),
        "families": held(robustness.family_means(miou, conditions, manifest.of_family())),
        "corruptions": held(robustness.corruption_means(miou, conditions)),
        "shifts": held(robustness.shift_scores(miou, conditions)),
    }


def make_summary(
    conditions: Sequence[Condition],
    totals: Totals,
    manifest: Manifest,
    bounds: dict[str, Bounds],
    unit: str | None,
    left_out: Sequence[str] = (),
) -> Summary:
    """Summary of a sweep's sums; `unit` names what images belong together."""
    return Summary(
        **summary_numbers(conditions, totals, manifest, left_out),
        intervals=bounds,
        interval_method=METHOD.format(units=resampled_units(unit)),
    )


def resampled_units(unit: str | None) -> str:
    """What is resampled, in words."""
    return "images" if unit is None else f"groups of images by {unit}"
