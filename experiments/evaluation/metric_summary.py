"""The headline numbers of a record by any metric: intervals, floor, and means over what training had seen or not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.floors import find_floor
from experiments.evaluation.images import Images
from experiments.evaluation.jackknife import Scale
from experiments.evaluation.record import Edges, Record, drop_counts
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.seen import compute_part_means
from experiments.evaluation.statistics import Scores, compute_joint_intervals, estimate_scores
from user_error import UserError

ABOVE = "above_floor"
RATIOS = ("retention", ABOVE)
"""Numbers that are quotients of scores: they may be below 0 or above 1."""

CORRUPTION, FAMILY = "/", ":"
"""Begin the name of a number that is of one corruption or real shift, and of one family of corruptions."""


class StatedNumber(NamedTuple):
    """A number with its 95 % interval; the edges are `None` where there are too few units."""

    value: float | None
    edges: Edges


class MeasuredMetric(NamedTuple):
    """Scores of a record by a metric, and those of its floor, without the counts that they follow from."""

    record: Record
    metric: Metric
    scores: Scores
    floor: Scores | None
    answer: str | None  # what scores the floor, in words


class MetricSummary(NamedTuple):
    """The numbers of a record by one metric.

    ``numbers`` has ``clean``, ``corrupted`` and, of a score of which more is better, ``retention`` (corrupted by clean) and
    ``above_floor`` (the same of what exceeds the floor); ``seen`` and ``unseen``, means over the corruptions that a training
    has met and the others; a mean of each further kind by its name, of each corruption and shift by `CORRUPTION` and its
    name, and of each family by `FAMILY` and its name.
    ``floor`` has ``clean`` and ``corrupted``; ``cells`` are the scores of all conditions.
    """

    metric: Metric
    numbers: dict[str, StatedNumber]
    floor: dict[str, float | None]
    answer: str | None
    cells: list[StatedNumber]


def measure_metric(record: Record, images: Images | None, metric: Metric) -> MeasuredMetric:
    """Scores of a record by a metric, and of the best answer that does not look at the images.

    Args:
        record: with its cells.
        images: its counts; without them numbers have no intervals, and means over images do not exist.
        metric: that it has, see `Metric.require`.
    """
    metric.require(record)
    if images is None:
        if metric.of_images:
            raise UserError(
                f"{record.name!r} has no {metric.title} without the counts of its images: copy its .npz beside it"
            )
        images = Images(["all"], {name: part[None] for name, part in record.totals.items()})
    floor = find_floor(record, images, metric.ratio) if metric.of_classes else None
    scores, of_floor = (
        None if one is None else estimate_scores([images.sum_by_unit(metric.ratio(one))], 0, blocks=images.blocks)
        for one in (images, None if floor is None else floor.images)
    )
    assert scores is not None
    return MeasuredMetric(drop_counts(record), metric, scores, of_floor, None if floor is None else floor.answer)


def summarise_metric(measured: MeasuredMetric, seen: frozenset[str] = frozenset()) -> MetricSummary:
    """The headline numbers, with intervals of the jackknife.

    Args:
        measured: of a record.
        seen: corruptions whose mean is stated apart from that of the others.
    """
    record, metric = measured.record, measured.metric
    places = record.headline_places
    headline, families = [record.conditions[place] for place in places], record.suite.find_families()

    def measure(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        own = metric.scale(scores[0])
        found = _measure_headline(own[..., places], headline)
        if metric.unit != "percent" or metric.lower_is_better:
            found.pop("retention", None)
        elif len(scores) > 1 and "corrupted" in found:
            floor = _measure_headline(metric.scale(scores[1])[..., places], headline)
            above = found["corrupted"] - floor["corrupted"]
            found[ABOVE] = robustness.divide(above, found["clean"] - floor["clean"])
        found |= compute_part_means(own[..., places], headline, seen)
        found |= robustness.compute_further_means(own, record.conditions, record.left_out, record.kinds)
        shifts = robustness.select_shift_scores(own[..., places], headline)
        means = robustness.compute_corruption_means(own[..., places], headline)
        found |= {f"{CORRUPTION}{name}": mean for name, mean in (shifts | means).items()}
        of_families = robustness.compute_family_means(own[..., places], headline, families)
        found |= {f"{FAMILY}{name}": mean for name, mean in of_families.items()}
        return found | {f"cell {at}": own[..., at] for at in range(len(record.conditions))}

    def find_scale(name: str) -> Scale:
        return "difference" if name in RATIOS or metric.unit != "percent" else "score"

    models = [measured.scores, *([] if measured.floor is None else [measured.floor])]
    bounds, values = compute_joint_intervals(models, measure, find_scale), measure([one.estimate for one in models])
    stated = {name: StatedNumber(as_number(values[name]), _as_edges(bounds[name].jackknife)) for name in bounds}
    cells = [stated.pop(f"cell {at}") for at in range(len(record.conditions))]
    floor: dict[str, float | None] = {}
    if measured.floor is not None:
        found = _measure_headline(metric.scale(measured.floor.estimate)[places], headline)
        floor = {name: as_number(found[name]) for name in ("clean", "corrupted") if name in found}
    return MetricSummary(metric, stated, floor, measured.answer, cells)


def _measure_headline(scores: np.ndarray, conditions: Sequence[robustness.Condition]) -> dict[str, np.ndarray]:
    clean = robustness.select_clean_score(scores, conditions)
    if not robustness.group_by_corruption(conditions):
        return {"clean": clean}
    corrupted = robustness.compute_corrupted_mean(scores, conditions)
    return {"clean": clean, "corrupted": corrupted, "retention": robustness.divide(corrupted, clean)}


def _as_edges(edges: tuple[float, float]) -> Edges:
    return as_number(edges[0]), as_number(edges[1])


def flatten_summary(found: MetricSummary) -> Mapping[str, float | str | None]:
    """The numbers as flat columns after the metric's name, such as ``dice_corrupted`` with ``_low`` and ``_high``."""
    flat: dict[str, float | str | None] = {}
    for name, number in found.numbers.items():
        of_part = name.startswith((CORRUPTION, FAMILY))
        key = f"{found.metric.name}{name}" if of_part else f"{found.metric.name}_{name}"
        flat[key] = number.value
        if not of_part:
            flat |= {f"{key}_low": number.edges[0], f"{key}_high": number.edges[1]}
    if found.answer is not None:
        flat |= {f"{found.metric.name}_{name}_floor": value for name, value in found.floor.items()}
        flat[f"{found.metric.name}_floor"] = found.answer
    return flat
