"""Compare recipes by several trainings of each: is a difference due to the recipe, or to the seed?"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from tqdm import tqdm

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import COMPARED, find_metric
from experiments.evaluation.comparison import (
    MeasuredRecord,
    measure_record,
)
from experiments.evaluation.recipe_comparison import (
    By,
    RecipeComparison,
    compare_recipes,
    differ_by_seed_alone,
    find_recipe_name,
)
from experiments.evaluation.record import Record
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.files.replaceable import print_and_save
from experiments.record_files.record_file import read_record, read_swept
from experiments.reporting.equivalence import scale_margin
from experiments.reporting.recipe_tables import format_markdown
from experiments.reporting.recipe_verdicts import adjust_headlines, describe_verdict, find_direction
from user_error import UserError

EXAMPLES = """
runs/unet_seed*/record-core.json --with runs/fpn_seed*/record-core.json
unet_*.json --with fpn_*.json --with segformer_*.json --by family
dense_*.json --with half_*.json --metric ece --format json --output seeds.json
"""


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
        "parts": [change._asdict() for change in found.parts],
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
    by: Annotated[By, Option(choices=get_args(By))] = "none",
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
        by: a further table of differences for each family of corruptions, or for each corruption.
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
        found = [compare_recipes(first, read(other), chosen, allowed, by) for other in others]
    print_and_save(FORMATS[format](found, among), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("recipes", compare_trainings, EXAMPLES, argv)


def _update_progress(one: MeasuredRecord, shown: Any) -> MeasuredRecord:
    shown.update()
    return one
