"""Tables of recipes that were trained several times each: differences, seen and unseen corruptions apart."""

from collections.abc import Sequence

from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.comparison import MET, NOT_MET, find_advantage
from experiments.evaluation.recipe_comparison import (
    Change,
    RecipeComparison,
    differ_by_seed_alone,
    find_common_start,
    find_recipe_name,
)
from experiments.evaluation.robustness import Condition
from experiments.evaluation.seen import split_by_seen
from experiments.evaluation.statistics import adjust_p_values
from experiments.files.tables import format_p_value, make_markdown_table
from experiments.reporting.equivalence import name_equivalence
from experiments.reporting.recipe_verdicts import (
    adjust_changes,
    adjust_headlines,
    find_direction,
    format_trainings,
)


def _make_cells(change: Change | None, metric: Metric) -> list[str]:
    """The difference with its interval over images, and the interval over trainings."""
    if change is None:
        return ["-", "-"]
    over = [
        "-" if edges is None else "[{}, {}]".format(*(metric.format_value(edge, "+") for edge in edges))
        for edges in (change.images, change.trainings)
    ]
    return [f"{metric.format_value(change.difference, '+')} {over[0]}", over[1]]


def format_markdown(found: Sequence[RecipeComparison], among: int | None = None) -> str:
    """Format as Markdown: a row for each recipe, from best to worst.

    Where a training alone has met some of the corruptions, a second table holds the differences over those and over the
    others; for a single recipe, a further one has a row for each condition. Means of parts stand in one more.
    """
    metric = found[0].metric
    pairs = list(zip(found, adjust_headlines(found, among), strict=True))
    pairs.sort(key=lambda pair: (pair[0].headline.difference or 0) * (1 if metric.lower_is_better else -1))
    ordered = [one for one, _ in pairs]
    tables = [_make_headline_table(pairs)]
    if any(find_advantage(one.a[0], one.b[0]) for one in found):
        tables.append(_make_seen_table(ordered, among))
    if found[0].parts:
        tables.append(_make_part_table(ordered))
    if len(found) == 1 and len(found[0].conditions) > 1:
        tables.append(_make_condition_table(found[0]))
    return "\n".join([*tables, f"{_write_note(found, among)}\n"])


def _make_headline_table(pairs: Sequence[tuple[RecipeComparison, float]]) -> str:
    """A row for each recipe, with its adjusted p value."""
    metric, equivalence = pairs[0][0].metric, pairs[0][0].equivalence
    rows = []
    for one, p in pairs:
        changes = {change.name: change for change in one.overall}
        cells = [cell for name in ("clean", "mean corrupted") for cell in _make_cells(changes.get(name), metric)]
        tested = [] if one.equivalence is None else [format_p_value(one.equivalence.p)]
        rows.append(
            [find_recipe_name(one.b), str(len(one.b)), *cells, *_make_verdict(one.headline, p, metric), *tested]
        )
    titles = ["clean, images", "clean, trainings", "mean corrupted, images", "mean corrupted, trainings"]
    further = [] if equivalence is None else [name_equivalence(equivalence, metric)]
    return make_markdown_table(["", "trainings", *titles, "p", "p (Holm)", "holds", *further], rows, left=(0, 8))


def _make_seen_table(found: Sequence[RecipeComparison], among: int | None) -> str:
    """A row for each recipe: differences over the corruptions that one training alone has met, and over the others."""
    metric, changes = found[0].metric, []
    for one in found:
        named = {change.name: change for change in one.overall}
        changes.append((named.get(MET), named.get(NOT_MET) or one.headline))
    adjusted = adjust_changes([others for _, others in changes], among)
    rows = []
    for one, (met, others), p in zip(found, changes, adjusted, strict=True):
        advantage = find_advantage(one.a[0], one.b[0])
        met_alone, unseen = advantage[1:] if advantage else split_by_seen(_list_headline_conditions(one), frozenset())
        cells = [str(len(met_alone)), *_make_cells(met, metric), str(len(unseen)), *_make_cells(others, metric)]
        rows.append([find_recipe_name(one.b), *cells, *_make_verdict(others, p, metric)])
    titles = ["seen", "over them, images", "trainings", "unseen", "over them, images", "trainings"]
    return make_markdown_table(["", *titles, "p (unseen)", "p (Holm)", "holds"], rows, left=(0, 9))


def _make_part_table(found: Sequence[RecipeComparison]) -> str:
    """A row for each recipe: differences over each part with their intervals over trainings."""
    metric = found[0].metric
    titles = [change.name.removeprefix("mean of ").replace("_", " ") for change in found[0].parts]
    rows = [
        [find_recipe_name(one.b), *(_format_over_trainings(change, metric) for change in one.parts)] for one in found
    ]
    return make_markdown_table(["", *titles], rows, left=(0,))


def _format_over_trainings(change: Change, metric: Metric) -> str:
    _, edges = _make_cells(change, metric)
    return f"{metric.format_value(change.difference, '+')} {edges.removesuffix('-')}".rstrip()


def _list_headline_conditions(found: RecipeComparison) -> list[Condition]:
    record = found.a[0]
    return [record.conditions[place] for place in record.headline_places]


def _make_verdict(change: Change, p: float, metric: Metric) -> list[str]:
    """The p value as it is and adjusted, and whether the difference holds."""
    adjusted = None if change.p is None else p
    return [format_p_value(change.p), format_p_value(adjusted), find_direction(change, metric, p)]


def _write_note(found: Sequence[RecipeComparison], among: int | None) -> str:
    """What the tables show, and by which tests."""
    metric, first = found[0].metric, found[0].a
    data, suite = first[0].data, first[0].suite
    note = (
        f"Differences of mean {metric.title} ({metric.unit}) from {format_trainings(len(first))} of "
        f"{find_recipe_name(first)}, on {data.images} images of {data.name} {data.split}, "
        f"suite {suite.title}. 95 % intervals over "
        f"{data.resampled_units} (paired jackknife t, these very trainings) and over trainings "
        f"(Welch's t, as are the two-sided p values); p (Holm) is corrected over {_describe_family(found, among)}."
    )
    if any(find_advantage(one.a[0], one.b[0]) for one in found):
        note += (
            " Seen are corruptions that the training of one recipe alone has met, or relatives of theirs, as the recipes say; "
            "what both have met, or neither, is among the unseen."
        )
    if found[0].parts:
        note += " Differences over parts have their intervals over trainings, of one comparison each."
    if starts := {start for one in found for side in (one.a, one.b) if (start := find_common_start([*side]))}:
        note += (
            f" Trainings that begin from one checkpoint ({', '.join(sorted(starts))}) are not compared as trainings."
        )
    note += metric.convention
    note += (
        ""
        if found[0].equivalence is None
        else " P values of equivalence, over images and trainings, are of one test each."
    )
    mixed = [
        find_recipe_name(side)
        for side in (first, *(one.b for one in found))
        if len(side) > 1 and not differ_by_seed_alone(side)
    ]
    if mixed:
        note += f" By their records, the trainings of {', '.join(mixed)} differ in more than the seed."
    return note


def _describe_family(found: Sequence[RecipeComparison], among: int | None) -> str:
    """What the correction of a table is over."""
    conditions = len(found[0].conditions) if len(found) == 1 else 1
    tested = sum(one.headline.p is not None for one in found)
    rows = "the one row above" if len(found) == 1 else f"the {tested} rows that have a p value"
    if among is not None:
        rows = f"the {among} comparisons that these were picked among (Bonferroni)"
    return f"{rows}, and over the {conditions} conditions below it" if conditions > 1 else rows


def _make_condition_table(found: RecipeComparison) -> str:
    """A row for each condition, with Holm's correction over them."""
    metric, none = found.metric, float("nan")
    p_values = adjust_p_values({change.name: none if change.p is None else change.p for change in found.conditions})
    rows = []
    for change in found.conditions:
        means = [metric.format_value(change.a), metric.format_value(change.b)]
        verdict = _make_verdict(change, p_values[change.name], metric)
        rows.append([change.name, *means, *_make_cells(change, metric), *verdict])
    titles = [
        "condition",
        find_recipe_name(found.a),
        find_recipe_name(found.b),
        "difference, images",
        "difference, trainings",
    ]
    return make_markdown_table([*titles, "p", "p (Holm)", "holds"], rows, left=(0, 7))
