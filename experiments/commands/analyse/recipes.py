"""Compare recipes by several trainings of each: is a difference due to the recipe, or to the seed?"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from tqdm import tqdm

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import COMPARED, Metric, find_metric
from experiments.evaluation.comparison import (
    MET,
    NOT_MET,
    MeasuredRecord,
    find_advantage,
    is_significant,
    measure_record,
)
from experiments.evaluation.recipe_comparison import (
    Change,
    RecipeComparison,
    compare_recipes,
    differ_by_seed_alone,
    find_common_start,
    find_recipe_name,
)
from experiments.evaluation.record import Record
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.statistics import adjust_p_values
from experiments.files.replaceable import print_and_save
from experiments.files.tables import format_p_value, make_markdown_table
from experiments.record_files.record_file import read_record, read_swept
from experiments.reporting.equivalence import describe_equivalence, name_equivalence, scale_margin
from user_error import UserError

EXAMPLES = """
runs/unet_seed*/record-core.json --with runs/fpn_seed*/record-core.json
unet_*.json --with fpn_*.json --with segformer_*.json
dense_*.json --with half_*.json --metric ece --format json --output seeds.json
"""


def adjust_headlines(found: Sequence[RecipeComparison], among: int | None = None) -> list[float]:
    """The p value of each headline, with Holm's correction for their number; NaN where there is none.

    Picked `among` so many comparisons, of which the others are not known here, each is multiplied by their number
    (Bonferroni).
    """
    if among is not None:
        return [float("nan") if one.headline.p is None else min(1.0, among * one.headline.p) for one in found]
    values = {str(at): float("nan") if one.headline.p is None else one.headline.p for at, one in enumerate(found)}
    return list(adjust_p_values(values).values())


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
    counts = f"{_format_trainings(len(found.b))} against {len(found.a)} of {names[0]}"
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


def _format_trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count} trainings"


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
    """Format as Markdown: a row for each recipe, from best to worst; for a single one, also a row for each condition."""
    metric, first = found[0].metric, found[0].a
    pairs = list(zip(found, adjust_headlines(found, among), strict=True))
    pairs.sort(key=lambda pair: (pair[0].headline.difference or 0) * (1 if metric.lower_is_better else -1))
    rows = []
    for one, p in pairs:
        changes = {change.name: change for change in one.overall}
        cells = [cell for name in ("clean", "mean corrupted") for cell in _make_cells(changes.get(name), metric)]
        adjusted_p = None if one.headline.p is None else p
        rows.append(
            [
                find_recipe_name(one.b),
                str(len(one.b)),
                *cells,
                format_p_value(one.headline.p),
                format_p_value(adjusted_p),
                find_direction(one.headline, metric, p),
                *([] if one.equivalence is None else [format_p_value(one.equivalence.p)]),
            ]
        )
    titles = [
        "",
        "trainings",
        "clean, images",
        "clean, trainings",
        "mean corrupted, images",
        "mean corrupted, trainings",
    ]
    equivalence = found[0].equivalence
    further = [] if equivalence is None else [name_equivalence(equivalence, metric)]
    table = make_markdown_table([*titles, "p", "p (Holm)", "holds", *further], rows, left=(0, 8))
    if len(found) == 1 and len(found[0].conditions) > 1:
        table += f"\n{_make_condition_table(found[0])}"
    data, suite = first[0].data, first[0].suite
    note = (
        f"Differences of mean {metric.title} ({metric.unit}) from {_format_trainings(len(first))} of "
        f"{find_recipe_name(first)}, on {data.images} images of {data.name} {data.split}, "
        f"suite {suite.title}. 95 % intervals over "
        f"{data.resampled_units} (paired jackknife t, these very trainings) and over trainings "
        f"(Welch's t, as are the two-sided p values); p (Holm) is corrected over {_describe_family(found, among)}."
    )
    if starts := {start for one in found for side in (one.a, one.b) if (start := find_common_start([*side]))}:
        note += (
            f" Trainings that begin from one checkpoint ({', '.join(sorted(starts))}) are not compared as trainings."
        )
    note += metric.convention
    note += "" if equivalence is None else " P values of equivalence, over images and trainings, are of one test each."
    mixed = [
        find_recipe_name(side)
        for side in (first, *(one.b for one in found))
        if len(side) > 1 and not differ_by_seed_alone(side)
    ]
    if mixed:
        note += f" By their records, the trainings of {', '.join(mixed)} differ in more than the seed."
    return f"{table}\n{note}\n"


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
        means, p = [metric.format_value(change.a), metric.format_value(change.b)], p_values[change.name]
        shown = ["-", "-"] if change.p is None else [format_p_value(change.p), format_p_value(p)]
        rows.append([change.name, *means, *_make_cells(change, metric), *shown, find_direction(change, metric, p)])
    titles = [
        "condition",
        find_recipe_name(found.a),
        find_recipe_name(found.b),
        "difference, images",
        "difference, trainings",
    ]
    return make_markdown_table([*titles, "p", "p (Holm)", "holds"], rows, left=(0, 7))


def as_json(found: Sequence[RecipeComparison], among: int | None = None) -> str:
    """Format as JSON; names of conditions are those of `name_condition`."""
    pairs = zip(found, adjust_headlines(found, among), strict=True)
    return json.dumps([as_content(one, p) for one, p in pairs], indent=2) + "\n"


def as_content(found: RecipeComparison, p: float) -> dict[str, Any]:
    """A comparison as plain values."""

    def describe_side(records: Sequence[Record]) -> dict[str, Any]:
        return {
            "name": find_recipe_name(records),
            "trainings": [record.name for record in records],
            "differ_by_seed_alone": differ_by_seed_alone(records),
        }

    return {
        "a": describe_side(found.a),
        "b": describe_side(found.b),
        "metric": found.metric.name,
        "empty": found.metric.empty,
        "units": found.a[0].data.resampled_units,
        "data": found.a[0].data.name,
        "images": found.a[0].data.images,
        "suite": found.a[0].suite.name,
        "suite_hash": found.a[0].suite_hash,
        "p_holm": None if found.headline.p is None else p,
        "holds": find_direction(found.headline, found.metric, p),
        "verdict": describe_verdict(found, p),
        "equivalence": None if found.equivalence is None else found.equivalence._asdict(),
        "overall": [change._asdict() for change in found.overall],
        "conditions": [change._asdict() for change in found.conditions],
    }


def format_sentences(found: Sequence[RecipeComparison], among: int | None = None) -> str:
    """Format the verdicts alone."""
    pairs = zip(found, adjust_headlines(found, among), strict=True)
    return "\n".join(describe_verdict(one, p) for one, p in pairs) + "\n"


FORMATS: dict[str, Callable[[Sequence[RecipeComparison], int | None], str]] = {
    "markdown": format_markdown,
    "json": as_json,
    "sentences": format_sentences,
}


def compare_trainings(
    a: Annotated[list[Path], Option(metavar="A.json")],
    /,
    *,
    others: Annotated[Sequence[list[Path]], Option(metavar="B.json", repeated=True, name="--with")] = (),
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    empty: Annotated[Empty, Option()] = EMPTY[0],
    margin: float | None = None,
    among: int | None = None,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Compare recipes by several trainings of each.

    'compare' tests whether two networks differ, this whether what made them does. Each difference of means has an
    interval over images, for these very trainings, and one over trainings (Welch's t); it holds where both leave zero
    out. Two or three trainings tell large differences alone.

    Args:
        a: records of the trainings of a recipe.
        others: records of another recipe to compare it with; once for each recipe.
        metric: what is compared, those with a dot of further tasks; if none is given, the foreground's IoU where classes
            have a background, and mIoU elsewhere.
        empty: what a class counts in a mean over images where mask and prediction lack it: 1, nothing, or nothing
            wherever the mask lacks it.
        margin: points of a metric in percent, or its own units, that count as no difference: adds a test of equivalence,
            over images and over trainings.
        among: number of comparisons that these were picked among, such as that of all recipes that were tried; p values
            are then corrected over them.
        format: of what is printed.
        output: write the comparison to this file as well.

    Raises:
        UserError: there is nothing to compare with.
    """
    if not others:
        raise UserError("there is nothing to compare with: pass the records of another recipe after --with")
    if among is not None and among < len(others):
        raise UserError(
            f"--among {among}: these are {len(others)} comparisons already, so give a larger number or none"
        )
    several = len(others) > 1 or len(a) + len(others[0]) > 20
    with tqdm(desc="recipes", unit="record", total=len(a) + sum(map(len, others)), disable=not several) as shown:

        def read(paths: Sequence[Path]) -> list[MeasuredRecord]:
            """Read one record after the other, since their counts together may not fit into memory."""
            return [_update_progress(measure_record(*read_swept(path), chosen), shown) for path in paths]

        chosen = find_metric(metric, [read_record(a[0])], empty)
        first, allowed = read(a), scale_margin(margin, chosen)
        found = [compare_recipes(first, read(other), chosen, allowed) for other in others]
    print_and_save(FORMATS[format](found, among), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("recipes", compare_trainings, EXAMPLES, argv)


def _update_progress(one: MeasuredRecord, shown: Any) -> MeasuredRecord:
    shown.update()
    return one
