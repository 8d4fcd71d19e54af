"""Comparison of two recipes, each trained several times: differences of means, with intervals over images and over trainings."""

import re
import warnings
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Literal, NamedTuple

import numpy as np

from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.comparison import (
    Equivalence,
    MeasuredRecord,
    find_scored_places,
    list_overall,
    make_record_measure,
    name_condition,
    require_aligned,
)
from experiments.evaluation.jackknife import compute_equivalence_p
from experiments.evaluation.recipe import compute_recipe_key, find_entry
from experiments.evaluation.record import Record
from experiments.evaluation.robustness import group_by_corruption
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.seen import find_met_by_one
from experiments.evaluation.statistics import LEVEL, compute_joint_intervals
from user_error import UserError

SEED = re.compile(r"[-_ ,]+(seed(_everything)?[-_= ]*)?\d+$")
"""The end of a name that distinguishes trainings of one recipe."""


class Change(NamedTuple):
    """One number: means over the trainings of both recipes, and B's less A's.

    ``images`` are the edges of the interval over images, for these very trainings; ``trainings`` those over trainings, and
    ``p`` the two-sided p value of no difference between recipes; `None` where one of them was trained once.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    images: tuple[float | None, float | None]
    trainings: tuple[float, float] | None
    p: float | None


By = Literal["none", "family", "corruption"]
"""What further means of a comparison are of."""

Measure = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Scores (..., conditions) to the numbers that are compared, by name."""


class RecipeComparison(NamedTuple):
    """Two recipes, number by number; ``parts`` are means over a family or a corruption each."""

    a: Sequence[Record]
    b: Sequence[Record]
    metric: Metric
    overall: list[Change]
    conditions: list[Change]
    parts: list[Change]
    equivalence: Equivalence | None = None

    @property
    def headline(self) -> Change:
        """What the verdict is about: the corrupted mean, or clean where nothing is corrupted."""
        corrupted = next((change for change in self.overall if change.name == "mean corrupted"), None)
        return self.overall[0] if corrupted is None or corrupted.difference is None else corrupted


def strip_seed(name: str) -> str:
    """The name of a training without the seed or number at its end."""
    return SEED.sub("", name)


def find_recipe_name(records: Sequence[Record]) -> str:
    """What the names of a recipe's trainings have in common before their numbers, or the first and how many more."""
    names = [record.name for record in records]
    if len(names) == 1:
        return names[0]
    bare = {strip_seed(name) for name in names}
    return bare.pop() if len(bare) == 1 else f"{names[0]} and {len(names) - 1} more"


def differ_by_seed_alone(records: Sequence[Record]) -> bool:
    """Whether the recipes of the records are equal but for their seeds."""
    keys = {compute_recipe_key(record.recipe) for record in records}
    return len(keys) == 1 and None not in keys


def find_common_start(records: Sequence[Record]) -> str | None:
    """A checkpoint that several trainings begin from; `None` where each has its own.

    Their spread is that of training on from there: it says nothing of another training anew.
    """
    starts = [find_entry(record.recipe, "model", "init_args", "start") for record in records]
    known = [start for start in starts if isinstance(start, str)]
    return next((start for start in known if known.count(start) > 1), None)


def compare_recipes(
    a: Sequence[MeasuredRecord],
    b: Sequence[MeasuredRecord],
    metric: Metric,
    margin: float | None = None,
    by: By = "none",
) -> RecipeComparison:
    """Differences of means over trainings, with two intervals, since two things are drawn.

    Over images, all trainings on the same ones (jackknife t): these very networks on other images. Over
    trainings, by Welch's t test (Biometrika 1947): other seeds on these very images, as if the scores of a recipe's
    trainings were normal.

    Args:
        a: trainings of a recipe, swept.
        b: of another, on the same images under the same conditions.
        metric: by which they were measured.
        margin: of the headline that counts as no difference; not tested if `None`.
        by: what further means are of.

    Raises:
        UserError: the records do not compare, or a training counts twice.
    """
    records = [one.record for one in chain(a, b)]
    _require_unique_checkpoints(records)
    met = find_met_by_one([a[0].record.recipe, b[0].record.recipe])
    anew = not any(find_common_start([one.record for one in side]) for side in (a, b))
    require_aligned([(one.record, one.ids, one.grouping) for one in chain(a, b)])
    places = find_scored_places(records[0], [one.scores.estimate for one in chain(a, b)], metric)
    measure = make_record_measure(records[0], places, metric, met)
    parts = _group_corruptions(records[0], places, by)
    if parts:
        measure = _add_means(measure, parts)
    models = [one.scores.select(places) for one in chain(a, b)]

    def subtract_means(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        measured = [measure(score) for score in scores]
        first, second = measured[: len(a)], measured[len(a) :]
        return {
            name: np.mean([one[name] for one in second], axis=0) - np.mean([one[name] for one in first], axis=0)
            for name in measured[0]
        }

    bounds = compute_joint_intervals(models, subtract_means)
    values = [measure(model.estimate) for model in models]

    def split(name: str) -> tuple[list[float], list[float]]:
        found = [float(one[name]) for one in values]
        return found[: len(a)], found[len(a) :]

    def make_change(name: str) -> Change:
        first, second = split(name)
        low, high = bounds[name].jackknife
        trainings, p = _welch_t_test(first, second) if anew else (None, None)
        left, right = (float(np.mean(part)) for part in (first, second))
        images = as_number(low), as_number(high)
        return Change(name, as_number(left), as_number(right), as_number(right - left), images, trainings, p)

    overall = [make_change(name) for name in list_overall(records[0], values[0], metric)]
    found = RecipeComparison(
        records[: len(a)],
        records[len(a) :],
        metric,
        overall,
        [make_change(name_condition(records[0].conditions[at])) for at in places],
        [make_change(name) for name in parts],
    )
    if margin is None:
        return found
    name = found.headline.name
    left_out = subtract_means([model.jackknifed for model in models])[name]
    over_images = compute_equivalence_p(found.headline.difference or 0.0, left_out, margin, models[0].blocks)
    over_trainings = _welch_equivalence_test(*split(name), margin) if anew else float("nan")
    p = np.maximum(over_images, over_trainings)  # NaN where either is
    return found._replace(equivalence=Equivalence(margin, as_number(p)))


def _group_corruptions(record: Record, places: Sequence[int], by: By) -> dict[str, list[list[str]]]:
    """Names of the conditions of each corruption in each family, or in a group of its own, by the name of the group."""
    headline = {*record.headline_places}
    conditions = [record.conditions[at] for at in places if at in headline]
    families = record.suite.find_families()
    groups: dict[str, list[list[str]]] = {}
    for name, severities in group_by_corruption(conditions).items():
        group = {"none": None, "family": families.get(name), "corruption": name}[by]
        if group is not None:
            groups.setdefault(f"mean of {group}", []).append([name_condition(conditions[at]) for at in severities])
    return groups


def _add_means(measure: Measure, groups: dict[str, list[list[str]]]) -> Measure:
    """The means over the corruptions of each group of their means over severities, beside the numbers of `measure`."""

    def measure_all(scores: np.ndarray) -> dict[str, np.ndarray]:
        found = measure(scores)
        return found | {
            name: np.mean([np.mean([found[one] for one in corruption], axis=0) for corruption in group], axis=0)
            for name, group in groups.items()
        }

    return measure_all


def _welch_t_test(a: Sequence[float], b: Sequence[float]) -> tuple[tuple[float, float] | None, float | None]:
    """Interval of the difference of means at `LEVEL`, and its p value; `None` where one of them has no spread to tell from."""
    from scipy import stats  # loads slowly

    spreads = [float(np.var(part, ddof=1)) if len(part) > 1 else 0.0 for part in (a, b)]
    if min(len(a), len(b)) < 2 or not sum(spreads) > 0:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # of trainings that score alike, as those that call all background
        found = stats.ttest_ind(b, a, equal_var=False)
        low, high = found.confidence_interval(LEVEL)
    return (float(low), float(high)), float(found.pvalue)


def _welch_equivalence_test(a: Sequence[float], b: Sequence[float], margin: float) -> float:
    """P value of means that differ by more than a margin: the larger of two one-sided Welch tests; NaN for one training."""
    from scipy import stats  # loads slowly

    if min(len(a), len(b)) < 2 or not sum(float(np.var(part, ddof=1)) for part in (a, b)) > 0:
        return float("nan")
    moved = np.asarray(b) - np.asarray(a).mean()
    sides = [
        stats.ttest_ind(
            moved + sign * margin, np.asarray(a) - np.asarray(a).mean(), equal_var=False, alternative=way
        ).pvalue
        for sign, way in ((1, "greater"), (-1, "less"))
    ]
    return float(max(sides))


def _require_unique_checkpoints(records: Sequence[Record]) -> None:
    ordered = sorted(records, key=lambda record: str(record.checkpoint.get("sha256")))
    for one, other in pairwise(ordered):
        if one.checkpoint.get("sha256") is not None and one.checkpoint.get("sha256") == other.checkpoint.get("sha256"):
            raise UserError(
                f"{one.name!r} and {other.name!r} are records of one checkpoint, which would count twice: leave one out"
            )
