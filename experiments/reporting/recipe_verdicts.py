"""What follows of two recipes that were trained several times each, in plain words."""

from collections.abc import Sequence

from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.comparison import MET, NOT_MET, find_advantage, is_significant
from experiments.evaluation.recipe_comparison import Change, RecipeComparison, find_common_start, find_recipe_name
from experiments.evaluation.statistics import adjust_p_values
from experiments.files.tables import format_p_value
from experiments.reporting.equivalence import describe_equivalence


def adjust_headlines(found: Sequence[RecipeComparison], among: int | None = None) -> list[float]:
    """The p value of each headline, adjusted as `adjust_changes` does."""
    return adjust_changes([one.headline for one in found], among)


def adjust_changes(changes: Sequence[Change], among: int | None = None) -> list[float]:
    """The p value of each change, with Holm's correction for their number; NaN where there is none.

    Picked `among` so many comparisons, of which the others are not known here, each is multiplied by their number
    (Bonferroni).
    """
    values = [float("nan") if one.p is None else one.p for one in changes]
    if among is not None:
        return [min(1.0, among * p) if p == p else p for p in values]
    return list(adjust_p_values({str(at): p for at, p in enumerate(values)}).values())


def find_direction(change: Change, metric: Metric, p: float) -> str:
    """Whether B is significantly better or worse than A, over images and over trainings; else empty."""
    low, high = change.images
    if not is_significant(p) or change.difference is None or low is None or high is None or low <= 0 <= high:
        return ""
    return "better" if (change.difference > 0) != metric.lower_is_better else "worse"


def describe_verdict(found: RecipeComparison, p: float) -> str:
    """The conclusion of the tests in plain words."""
    change, names = found.headline, [find_recipe_name(side) for side in (found.a, found.b)]
    if change.difference is None:
        return f"{names[1]}: nothing follows, since a score does not exist."
    size = f"{found.metric.format_difference(change.difference)} of {change.name} {found.metric.title}"
    counts = f"{format_trainings(len(found.b))} against {len(found.a)} of {names[0]}"
    outcome = find_direction(found.headline, found.metric, p)
    tail = describe_equivalence(found.equivalence, found.metric, bool(outcome)) + describe_advantage(found)
    if start := find_common_start([*found.a]) or find_common_start([*found.b]):
        return (
            f"{names[1]}: {size} apart, in {counts}; trainings that begin from one checkpoint ({start}) are no independent "
            f"trainings, so no interval over trainings is stated.{tail}"
        )
    if change.p is None:
        return f"{names[1]}: {size} apart, in {counts}; whether that is chance takes several trainings of each.{tail}"
    chance = f"p {'' if p < 0.00005 else '= '}{format_p_value(p)}"
    if outcome:
        return f"{names[1]} is {outcome} than {names[0]} by {size} ({counts}, {chance}).{tail}"
    return f"{names[1]}: no difference from {names[0]} holds; {size} may be chance ({counts}, {chance}).{tail}"


def describe_advantage(found: RecipeComparison) -> str:
    """Which part of the difference rests on corruptions that one recipe's training alone has met; empty where none has."""
    advantage, changes = find_advantage(found.a[0], found.b[0]), {change.name: change for change in found.overall}
    met, others = changes.get(MET), changes.get(NOT_MET)
    if advantage is None or met is None or others is None or met.difference is None or others.difference is None:
        return ""
    sides = {"A": find_recipe_name(found.a), "B": find_recipe_name(found.b)}
    sizes = [found.metric.format_value(change.difference, "+") for change in (met, others)]
    low, high = others.images
    holds = others.p is None or (
        is_significant(others.p) and low is not None and high is not None and not low <= 0 <= high
    )
    number = len(advantage.met) + len(advantage.others)
    return (
        f" By the recipes, the training of {sides.get(advantage.side, advantage.side)} alone has met {len(advantage.met)} of "
        f"the {number} corruptions, or relatives of theirs: {sides['B']} differs by {sizes[0]} over those and by {sizes[1]} over "
        "the others"
        f"{'' if holds else ', which may be chance'}."
    )


def format_trainings(count: int) -> str:
    """How many trainings, in words."""
    return "1 training" if count == 1 else f"{count} trainings"
