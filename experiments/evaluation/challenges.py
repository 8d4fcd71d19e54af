"""What benchmarks of driving report of one sweep over their data: the BRAVO challenge, and ACDC."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation.failures import Bounded, Estimate, bound, estimate_pixel_scores
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.scores.outliers import PARTS as OUTLIER_PARTS
from experiments.evaluation.scores.overlap import iou
from experiments.evaluation.scores.ratios import Ratio, compute_score
from experiments.evaluation.scores.semantic import PARTS as SEMANTIC_PARTS
from experiments.evaluation.scores.semantic import harmonic_mean
from experiments.evaluation.statistics import jackknife
from user_error import UserError

SUBSETS = (
    *("ACDCfog", "ACDCrain", "ACDCnight", "ACDCsnow", "synrain", "SMIYC", "synobjs", "synflare", "outofcontext"),
)
"""Subsets of the BRAVO challenge, in the order of its toolkit."""

WITHOUT_CLASSES = ("SMIYC",)
WITH_OUTLIERS = ("SMIYC", "synobjs")

CONDITIONS = ("fog", "night", "rain", "snow")
"""Of ACDC."""


class Challenge(NamedTuple):
    """What a benchmark reports.

    Args:
        subsets: numbers of each subset by name; an absent one is not reported of it.
        total: the numbers over all subsets.
        missing: subsets that the record does not have.
    """

    subsets: dict[str, dict[str, Bounded]]
    total: dict[str, Bounded]
    missing: list[str]


class _Parts(NamedTuple):
    """Scores, the higher the better, and what they become without each unit where that is known for all of them."""

    values: list[float]
    left_out: list[np.ndarray | None]

    def add(self, one: Estimate, place: int, lower_is_better: bool) -> None:
        value, left_out = one.values[place], None if one.left_out is None else one.left_out[:, place]
        self.values.append(float(1 - value if lower_is_better else value))
        self.left_out.append(left_out if left_out is None or not lower_is_better else 1 - left_out)

    def join(self, other: "_Parts") -> "_Parts":
        return _Parts([*self.values, *other.values], [*self.left_out, *other.left_out])

    def average(self) -> tuple[float, np.ndarray | None]:
        """Their harmonic mean, and what it becomes."""
        known = [one for one in self.left_out if one is not None]
        left_out = harmonic_mean(np.stack(known, -1)) if len(known) == len(self.values) else None
        return float(harmonic_mean(np.array(self.values))), left_out


def report_bravo(record: Record, images: Images) -> Challenge:
    """The metrics, the harmonic means and the index of the BRAVO challenge (Vu et al., arXiv:2409.15107).

    Of each subset with classes six semantic metrics over its valid pixels, of each with outliers three of finding them;
    ``semantic_hmean`` and ``ood_hmean`` are the harmonic means of all these numbers over all subsets, of ECE and of false
    positives 1 less the number, and ``bravo_index`` is the harmonic mean of both. The challenge counts at most 100,000
    pixels of an image and resolves confidence into 65,536 levels; here every pixel counts, by 448 levels of the log odds.

    Raises:
        UserError: the record has none of the subsets, or no counts of outliers.
    """
    places = _find_places(record, "subset", SUBSETS, "data/bravo.yaml")
    estimates = estimate_pixel_scores(record, images)
    if not {*SEMANTIC_PARTS, *OUTLIER_PARTS} <= estimates.keys():
        raise UserError(
            f"the record of {record.name!r} counts no outliers: sweep the data of BRAVO anew, or pass --counters outliers"
        )
    subsets: dict[str, dict[str, Bounded]] = {}
    of_classes, of_outliers = _Parts([], []), _Parts([], [])
    for name, place in places.items():
        subsets[name] = {}
        kinds = [] if name in WITHOUT_CLASSES else [(SEMANTIC_PARTS, of_classes)]
        kinds += [(OUTLIER_PARTS, of_outliers)] if name in WITH_OUTLIERS else []
        own = _Parts([], [])
        for metrics, parts in kinds:
            for metric, score in metrics.items():
                one = estimates[metric]
                left_out = None if one.left_out is None else one.left_out[:, place]
                subsets[name][metric] = bound(float(one.values[place]), left_out, images.blocks)
                parts.add(one, place, score.lower_is_better)
                own.add(one, place, score.lower_is_better)
        subsets[name]["hmean"] = bound(*own.average(), images.blocks)
    total, means = {}, []
    for title, parts in (("semantic_hmean", of_classes), ("ood_hmean", of_outliers)):
        if parts.values:
            means.append(parts.average())
            total[title] = bound(*means[-1], images.blocks)
    if len(means) == 2:
        joined = _Parts([value for value, _ in means], [left_out for _, left_out in means])
        total["bravo_index"] = bound(*joined.average(), images.blocks)
    return Challenge(subsets, total, [name for name in SUBSETS if name not in places])


def report_acdc(record: Record, images: Images) -> Challenge:
    """IoU of each class and mIoU in each condition of ACDC, and over all four (Sakaridis et al., ICCV 2021).

    That over all is of one sum over the images of the four, not the mean of the four scores.

    Raises:
        UserError: the record has none of the conditions.
    """
    places = _find_places(record, "condition", CONDITIONS, "data/acdc.yaml")
    classes = images.counts["classes"]
    parts = {name: classes[:, place].astype(np.int64) for name, place in places.items()}
    parts["all"] = np.sum([*parts.values()], axis=0)
    found = {name: _score_classes(part, record.classes, images) for name, part in parts.items()}
    return Challenge(found, {"miou": found["all"]["miou"]}, [name for name in CONDITIONS if name not in places])


def _score_classes(classes: np.ndarray, names: Sequence[str], images: Images) -> dict[str, Bounded]:
    """MIoU and the IoU of each class of counts (N, K, 3)."""
    ratio = iou(classes)
    mean = images.sum_by_unit(ratio)
    found = {"miou": _bound_ratio(mean, images)}
    for place, name in enumerate(names):
        found[name] = _bound_ratio(mean.apply(lambda part, at=place: part[..., at : at + 1]), images)  # type: ignore[misc]
    return found


def _bound_ratio(by_unit: Ratio, images: Images) -> Bounded:
    """A mean of ratios (U, k) of units with its interval."""
    value = float(compute_score(by_unit.apply(lambda part: part.sum(0))))
    return bound(value, jackknife(by_unit, images.blocks), images.blocks)


def _find_places(record: Record, column: str, names: Sequence[str], data: str) -> Mapping[str, int]:
    """Places of the real shifts of a column by their value."""
    cells = {condition: place for place, (condition, _) in enumerate(record.conditions)}
    found = {name: cells[f"{column}={name}"] for name in names if f"{column}={name}" in cells}
    if not found:
        raise UserError(
            f"the record of {record.name!r} on {record.data.name} has none of {', '.join(names)} as a real shift: sweep "
            f"experiments/configs/{data} with --suite real_shifts"
        )
    return found
