"""Comparison of two records, number by number: differences, intervals and p values."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.compared_metrics import Metric, find_metric
from experiments.evaluation.images import Images
from experiments.evaluation.jackknife import compute_equivalence_p
from experiments.evaluation.record import Record, drop_counts
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.seen import compute_part_means, find_met_by_one, find_seen, split_by_seen
from experiments.evaluation.statistics import (
    LEVEL,
    PERMUTATIONS,
    Scores,
    adjust_p_values,
    compute_joint_intervals,
    estimate_scores,
    permutation_test,
    point_estimate,
)
from user_error import UserError

MET, NOT_MET = "mean met by one training alone", "mean of the others"
"""Means over the corruptions that the training of one side alone has met, where it has an advantage, and the others."""

OVERALL = ("clean", "mean corrupted", "retention", MET, NOT_MET)


class ComparedNumber(NamedTuple):
    """One number of both records: ``difference`` is B - A, ``p_holm`` is adjusted for all conditions."""

    name: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None = None


class Equivalence(NamedTuple):
    """Whether the headline differs by no more than a margin: `p` is that of a difference beyond it."""

    margin: float
    p: float | None


class Advantage(NamedTuple):
    """Corruptions that the training of one side alone has met: `side` is "A", "B" or "one of them"."""

    side: str
    met: list[str]
    others: list[str]


def find_advantage(a: Record, b: Record) -> Advantage | None:
    """What one training alone has met of a sweep's corruptions; `None` where that is nothing, or all of them."""
    met = find_met_by_one([a.recipe, b.recipe])
    conditions = [a.conditions[place] for place in a.headline_places]
    parts = split_by_seen(conditions, met)
    if not parts.seen or not parts.unseen:
        return None
    of_a, of_b = ({*split_by_seen(conditions, find_seen(one.recipe)).seen} & {*parts.seen} for one in (a, b))
    return Advantage("one of them" if of_a and of_b else "A" if of_a else "B", parts.seen, parts.unseen)


class Comparison(NamedTuple):
    """Two records, number by number."""

    a: Record
    b: Record
    metric: Metric
    overall: list[ComparedNumber]
    conditions: list[ComparedNumber]
    unscored: list[str]  # conditions in which at least one of the two has no score
    equivalence: "Equivalence | None" = None

    @property
    def headline(self) -> ComparedNumber:
        """What the verdict is about: the corrupted mean, or clean where nothing is corrupted."""
        corrupted = next((line for line in self.overall if line.name == "mean corrupted"), None)
        return self.overall[0] if corrupted is None or corrupted.difference is None else corrupted


def require_comparable(a: Record, b: Record, ids_a: Sequence[str], ids_b: Sequence[str]) -> None:
    """Require that both records are of the same images under the same conditions.

    Raises:
        UserError: they did not.
    """
    why = find_difference(a, b)
    if why is None and list(ids_a) != list(ids_b):
        why = "on images of different names"
    if why is not None:
        raise UserError(
            f"{a.name!r} and {b.name!r} were swept {why}, so they cannot be compared image by image: sweep both with the "
            "same suite, order, seed and data"
        )
    if a.data.resampled_units != b.data.resampled_units:
        raise UserError(
            f"the intervals of {a.name!r} are over {a.data.resampled_units}, those of {b.name!r} over "
            f"{b.data.resampled_units}: state them alike by 'rescore'"
        )


def make_measure(
    conditions: Sequence[robustness.Condition], kinds: Sequence[str], met: frozenset[str] = frozenset()
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Scores (..., conditions) to the numbers that are compared.

    Args:
        conditions: of the scores.
        kinds: of the conditions.
        met: corruptions whose mean is stated apart.
    """
    places = robustness.find_headline_places(conditions, (), kinds)
    headline = [conditions[place] for place in places]
    corrupted = bool(robustness.group_by_corruption(headline))

    def measure(scores: np.ndarray) -> dict[str, np.ndarray]:
        found = {"clean": robustness.select_clean_score(scores, conditions)}
        if corrupted:
            mean = robustness.compute_corrupted_mean(scores[..., places], headline)
            found |= {"mean corrupted": mean, "retention": robustness.divide(mean, found["clean"])}
            parts = compute_part_means(scores[..., places], headline, met)
            found |= {{"seen": MET, "unseen": NOT_MET}[part]: value for part, value in parts.items()}
        further = robustness.compute_further_means(scores, conditions, (), kinds)
        found |= {name_kind_mean(kind): mean for kind, mean in further.items()}
        return found | {name_condition(condition): scores[..., at] for at, condition in enumerate(conditions)}

    return measure


def make_record_measure(
    record: Record, places: Sequence[int], metric: Metric, met: frozenset[str] = frozenset()
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Scores (..., conditions) of those at `places` to the numbers that are compared; see `make_measure`."""
    of_scores = make_measure([record.conditions[at] for at in places], [record.kinds[at] for at in places], met)
    return lambda scores: of_scores(metric.scale(scores))


def name_kind_mean(kind: str) -> str:
    """The mean over the conditions of a further kind, in words."""
    return f"mean {kind}"


def list_overall(record: Record, numbers: Mapping[str, np.ndarray], metric: Metric) -> list[str]:
    """Names of the numbers that are of several conditions: the headline's, then a mean of each further kind."""
    names = dict.fromkeys([*OVERALL, *map(name_kind_mean, record.kinds)])
    if metric.unit != "percent":  # retention of an error score has no meaning
        del names["retention"]
    return [name for name in names if name in numbers]


def name_condition(condition: robustness.Condition) -> str:
    """A condition in words."""
    corruption, severity = condition
    return f"{corruption.replace('_', ' ')} {severity}" if severity else f"all {corruption}"


class MeasuredRecord(NamedTuple):
    """Scores of a record by one metric, without the counts that they follow from, so that many fit into memory."""

    record: Record
    ids: list[str]
    grouping: tuple[list[str] | None, list[int] | None]
    scores: Scores


def measure_record(record: Record, images: Images, metric: Metric) -> MeasuredRecord:
    """Scores of a record by a metric, for intervals of the jackknife."""
    metric.require(record)
    scores = estimate_scores([images.sum_by_unit(metric.ratio(images))], 0, blocks=images.blocks)
    return MeasuredRecord(drop_counts(record), images.ids, images.grouping, scores)


def require_aligned(
    found: Sequence[tuple[Record, Sequence[str], tuple[list[str] | None, list[int] | None]]],
) -> None:
    """Records, ids and `Images.grouping` of the same images under the same conditions.

    Raises:
        UserError: the records do not compare.
    """
    (one, ids, grouping), *others = found
    for other, other_ids, other_grouping in others:
        require_comparable(one, other, ids, other_ids)
        if grouping != other_grouping:
            raise UserError(
                f"{one.name!r} and {other.name!r} do not group their images alike: state their intervals alike by 'rescore'"
            )


def find_scored_places(record: Record, scores: Sequence[np.ndarray], metric: Metric) -> list[int]:
    """Places of the conditions in which all have a score, and of clean.

    A further task has none where a corruption moved its truth away.

    Args:
        record: of any of them.
        scores: (conditions,) of each.
        metric: of the scores.
    """
    known = ~np.any([np.isnan(metric.scale(one)) for one in scores], axis=0) if metric.task else np.ones(1, bool)
    known = np.broadcast_to(known, len(record.conditions))
    clean = record.conditions.index((robustness.CLEAN, 0))
    return [
        at
        for at, condition in enumerate(record.conditions)
        if not robustness.is_left_out(condition, record.left_out) and (known[at] or at == clean)
    ]


def compare(
    a: tuple[Record, Images],
    b: tuple[Record, Images],
    metric: Metric | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    margin: float | None = None,
) -> Comparison:
    """Paired jackknife intervals and permutation test of every number of two records.

    Args:
        a: a record with the counts of its images.
        b: likewise, of the same images under the same conditions.
        metric: the first one of the data if `None`, see `find_metric`.
        permutations: of the test.
        seed: of the permutations.
        margin: of the headline that counts as no difference; not tested if `None`.

    Raises:
        UserError: the records do not compare.
    """
    (one, _), (other, _) = a, b
    chosen = find_metric(None, [one, other]) if metric is None else metric
    for record in (one, other):
        chosen.require(record)
    require_aligned([(record, images.ids, images.grouping) for record, images in (a, b)])
    ratios = [images.sum_by_unit(chosen.ratio(images)) for _, images in (a, b)]
    places = find_scored_places(one, [point_estimate(ratio) for ratio in ratios], chosen)
    conditions = [one.conditions[at] for at in places]
    measure = make_record_measure(one, places, chosen, find_met_by_one([one.recipe, other.recipe]))
    first, second = ratios
    if len(places) < len(one.conditions):
        first, second = (ratio.apply(lambda part: part[:, places]) for ratio in ratios)
    blocks = a[1].blocks
    models = [estimate_scores([ratio], 0, blocks=blocks) for ratio in (first, second)]

    def subtract(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        of_a, of_b = map(measure, scores)
        return {name: of_b[name] - of_a[name] for name in of_a}

    bounds = compute_joint_intervals(models, subtract)
    p_values = permutation_test(first, second, measure, permutations, seed, blocks)
    names = [name_condition(condition) for condition in conditions]
    adjusted = adjust_p_values({name: p_values[name] for name in names})
    left, right = (measure(point_estimate(ratio)) for ratio in (first, second))

    def compare_number(name: str) -> ComparedNumber:
        low, high = bounds[name].jackknife
        return ComparedNumber(
            name=name,
            a=as_number(left[name]),
            b=as_number(right[name]),
            difference=as_number(right[name] - left[name]),
            low=as_number(low),
            high=as_number(high),
            p=as_number(p_values[name]),
            p_holm=as_number(adjusted.get(name, np.nan)),
        )

    overall = [compare_number(name) for name in list_overall(one, left, chosen)]
    unscored = [name_condition(condition) for condition in one.conditions if condition not in conditions]
    found = Comparison(
        drop_counts(one), drop_counts(other), chosen, overall, [compare_number(name) for name in names], unscored
    )
    if margin is None:
        return found
    name = found.headline.name
    left_out = subtract([model.jackknifed for model in models])[name]
    p = compute_equivalence_p(float(right[name] - left[name]), left_out, margin, blocks)
    return found._replace(equivalence=Equivalence(margin, as_number(p)))


def find_better(line: ComparedNumber, metric: Metric) -> str:
    """Which record is better in a number, "A" or "B"."""
    return "B" if ((line.difference or 0) > 0) != metric.lower_is_better else "A"


def is_significant(p: float | None) -> bool:
    """Whether a p value is significant at the level of 5 %."""
    return p is not None and p <= 1 - LEVEL
