"""Compare two records: is their difference significant?"""

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
    ComparedNumber,
    Comparison,
    Equivalence,
    compare,
    find_advantage,
    find_better,
    is_significant,
)
from experiments.evaluation.recipe import compute_recipe_key, find_recipe_seed
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.statistics import LEVEL, PERMUTATIONS, adjust_p_values
from experiments.files.replaceable import print_and_save
from experiments.files.tables import format_interval, format_p_value, make_markdown_table
from experiments.record_files.record_file import read_swept
from experiments.reporting.equivalence import describe_equivalence, name_equivalence, scale_margin
from user_error import UserError

EXAMPLES = """
runs/unet/record-core.json runs/segformer/record-core.json
a.json b.json --metric boundary_iou --format json --output comparison.json
a.json b.json --metric depth.delta1 --format sentences
baseline.json runs/*/record-core.json
"""


def describe_verdict(found: Comparison, p_holm: float | None = None) -> str:
    """The conclusion of the tests in plain words; `p_holm` is that of the headline among several comparisons."""
    line = found.headline
    chance = line.p if p_holm is None else p_holm
    if line.difference is None or line.p is None or chance is None:
        return "Nothing follows: a score does not exist."
    size = f"{found.metric.format_difference(line.difference)} of {line.name} {found.metric.title}"
    p = f"p = {chance:.4f}" if p_holm is None else f"p = {chance:.4f}, Holm"
    if is_significant(chance):
        text = f"The difference holds: {find_better(line, found.metric)} is better by {size} ({p})."
        if line.low is not None and line.high is not None and line.low <= 0 <= line.high:
            text += " Its interval includes 0 all the same: few images decide it."
    else:
        text = f"The difference does not hold: {size} may be chance ({p})."
    text += describe_equivalence(found.equivalence, found.metric, is_significant(chance)) + describe_advantage(found)
    significant = [one for one in found.conditions if is_significant(one.p_holm)]
    wins = [sum(find_better(one, found.metric) == side for one in significant) for side in ("A", "B")]
    number_of = len(found.conditions)
    return (
        f"{text}\nOf {number_of} conditions, A is better in {wins[0]} and B in {wins[1]}; in the other "
        f"{number_of - len(significant)} no difference holds (Holm's correction, level {1 - LEVEL:.2f})."
    )


def describe_advantage(found: Comparison) -> str:
    """Which part of the difference rests on corruptions that one training alone has met; empty where none has."""
    advantage, lines = find_advantage(found.a, found.b), {line.name: line for line in found.overall}
    if advantage is None or MET not in lines or lines[MET].difference is None or lines[NOT_MET].difference is None:
        return ""
    met, others = (found.metric.format_value(lines[name].difference, "+") for name in (MET, NOT_MET))
    kinds = len(advantage.met) + len(advantage.others)
    holds = "" if lines[NOT_MET].p is None or is_significant(lines[NOT_MET].p) else ", which may be chance"
    return (
        f" By the recipes, the training of {advantage.side} alone has met {len(advantage.met)} of the {kinds} corruptions, or "
        f"relatives of theirs: B - A is {met} over those and {others} over the others{holds}."
    )


def describe_caution(found: Comparison) -> str:
    """What the test does not answer."""
    keys, seeds = (
        [of(record.recipe) for record in (found.a, found.b)] for of in (compute_recipe_key, find_recipe_seed)
    )
    if keys[0] is not None and keys[0] == keys[1] and seeds[0] != seeds[1]:
        return (
            f"A and B are one recipe with the seeds {seeds[0]} and {seeds[1]}: what differs is the chance of training, "
            "not an idea."
        )
    return (
        "The test asks whether these two networks differ on images like these. Whether their recipes do takes several "
        "seeds of each: 'recipes' compares those."
    )


def _format_change(line: ComparedNumber, metric: Metric) -> str:
    return format_interval(line.difference, line.low, line.high, lambda value: metric.format_value(value, "+"))


def _describe_basis(found: Comparison) -> str:
    """The data, the suite and the methods of the comparison."""
    data, suite = found.a.data, found.a.suite
    return (
        f"{data.images} images of {data.name} {data.split}, suite {suite.title}; 95 % intervals (paired "
        f"jackknife t) and two-sided p values (paired permutation test) over {data.resampled_units}"
    )


def format_markdown(found: Comparison) -> str:
    """Format a comparison as Markdown."""

    def make_cells(line: ComparedNumber) -> list[str]:
        shown = found.metric.format_value
        return [line.name, shown(line.a), shown(line.b), _format_change(line, found.metric), format_p_value(line.p)]

    overall = make_markdown_table(["", "A", "B", "B - A", "p"], [make_cells(line) for line in found.overall], left=(0,))
    conditions = make_markdown_table(
        ["condition", "A", "B", "B - A", "p", "p (Holm)", "holds"],
        [
            [
                *make_cells(line),
                format_p_value(line.p_holm),
                f"{find_better(line, found.metric)} better" if is_significant(line.p_holm) else "",
            ]
            for line in found.conditions
        ],
        left=(0, 6),
    )
    note = (
        f"{found.metric.title} ({found.metric.unit}) on {_describe_basis(found)}. P (Holm) is corrected over the "
        f"{len(found.conditions)} conditions of the second table; the p values of the first are of one comparison each."
    )
    note += found.metric.convention
    if found.unscored:
        note += f" Not scored, and in no mean: {', '.join(found.unscored)}."
    conclusion = f"{describe_verdict(found)}\n{describe_caution(found)}"
    return f"A: {found.a.name}\nB: {found.b.name}\n\n{conclusion}\n\n{overall}\n{conditions}\n{note}\n"


def format_overview(found: Sequence[Comparison]) -> str:
    """Format comparisons of several records with one as Markdown: a row for each, from the best to the worst."""
    metric, adjusted = found[0].metric, adjust_headlines(found)
    best_first = sorted(found, key=lambda one: (one.headline.difference or 0) * (1 if metric.lower_is_better else -1))
    rows = []
    for one in best_first:
        lines, p_holm = {line.name: line for line in one.overall}, adjusted[one.b.name]
        alike = [_format_equivalence(one.equivalence)] if one.equivalence is not None else []
        outcome = {"B": "better", "A": "worse"}[find_better(one.headline, metric)] if is_significant(p_holm) else ""
        changes = [
            _format_change(lines[name], metric) if name in lines else "-" for name in ("clean", "mean corrupted")
        ]
        rows.append([one.b.name, *changes, format_p_value(one.headline.p), format_p_value(p_holm), outcome, *alike])
    titles = ["", "clean", "mean corrupted", "p", "p (Holm)", "holds"]
    titles += [] if found[0].equivalence is None else [name_equivalence(found[0].equivalence, metric)]
    table = make_markdown_table(titles, rows, left=(0, 5))
    note = (
        f"Differences of {metric.title} ({metric.unit}) from {found[0].a.name} on {_describe_basis(found[0])}, with Holm's "
        "correction over the rows. The tests are about these networks on images like these; whether recipes differ takes "
        "several seeds."
    )
    note += found[0].metric.convention
    note += "" if found[0].equivalence is None else " P values of equivalence are of one test each."
    return f"{table}\n{note}\n"


def _format_equivalence(found: Equivalence) -> str:
    return format_p_value(found.p)


def adjust_headlines(found: Sequence[Comparison]) -> dict[str, float]:
    """The p value of each headline by the name of B, with Holm's correction for their number."""
    return adjust_p_values({one.b.name: float("nan") if one.headline.p is None else one.headline.p for one in found})


def as_json(found: Comparison) -> str:
    """Format a comparison as JSON; names of conditions are those of `name_condition`."""
    return json.dumps(as_content(found), indent=2) + "\n"


def as_content(found: Comparison, p_holm: float | None = None) -> dict[str, Any]:
    """A comparison as plain values; `p_holm` is that of the headline among several comparisons."""
    return {
        "a": found.a.name,
        "b": found.b.name,
        "metric": found.metric.name,
        "data": found.a.data.name,
        "images": found.a.data.images,
        "suite": found.a.suite.name,
        "suite_hash": found.a.suite_hash,
        "unit": found.a.data.unit,
        "units": found.a.data.resampled_units,
        "empty": found.metric.empty,
        "p_holm": found.headline.p if p_holm is None else p_holm,
        "holds": is_significant(found.headline.p if p_holm is None else p_holm),
        "verdict": describe_verdict(found, p_holm),
        "caution": describe_caution(found),
        "equivalence": None if found.equivalence is None else found.equivalence._asdict(),
        "overall": [line._asdict() for line in found.overall],
        "conditions": [line._asdict() for line in found.conditions],
        "unscored": found.unscored,
    }


def format_sentences(found: Comparison) -> str:
    """Format the verdict alone."""
    return f"{describe_verdict(found)}\n"


FORMATS = {"markdown": format_markdown, "json": as_json, "sentences": format_sentences}


def _format_several_json(found: Sequence[Comparison]) -> str:
    adjusted = {name: None if p != p else p for name, p in adjust_headlines(found).items()}  # NaN where there is none
    return json.dumps([as_content(one, adjusted[one.b.name]) for one in found], indent=2) + "\n"


def _format_several_sentences(found: Sequence[Comparison]) -> str:
    adjusted = adjust_headlines(found)
    return "\n".join(f"{one.b.name}: {describe_verdict(one, adjusted[one.b.name])}" for one in found) + "\n"


OVERVIEWS: dict[str, Callable[[Sequence[Comparison]], str]] = {
    "markdown": format_overview,
    "json": _format_several_json,
    "sentences": _format_several_sentences,
}


def require_names(found: Sequence[Comparison]) -> None:
    """Refuse records with equal names, since rows are identified by them.

    Raises:
        UserError: two records have the same name.
    """
    names = [one.b.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two records are called {twice!r}: sweep one with another --name, or leave it out")


def compare_records(
    a: Annotated[Path, Option(metavar="A.json")],
    b: Annotated[list[Path], Option(metavar="B.json")],
    /,
    *,
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    empty: Annotated[Empty, Option()] = EMPTY[0],
    margin: float | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Compare two records image by image.

    Paired jackknife intervals of their difference, and a permutation test with Holm's correction over the conditions.
    Both must be of the same images under the same suite. Several records after the first are each compared with it,
    with Holm's correction over them.

    Args:
        a: a record, its counts beside it.
        b: another one, or several; A among several is left out.
        metric: what is compared, those with a dot of further tasks; if none is given, the foreground's IoU where classes
            have a background, and mIoU elsewhere.
        empty: what a class counts in a mean over images where mask and prediction lack it: 1, nothing, or nothing
            wherever the mask lacks it.
        margin: points of a metric in percent, or its own units, that count as no difference: adds a test of equivalence.
        permutations: of the test.
        seed: of the permutations.
        format: of what is printed.
        output: write the comparison to this file as well.

    Raises:
        UserError: there is nothing to compare, or no test of so few permutations.
    """
    if permutations < 100 or seed < 0:
        raise UserError("the test needs --permutations of 100 at least, and a --seed of 0 or more")
    first = read_swept(a)
    chosen = find_metric(metric, [first[0]], empty)
    others = b if len(b) == 1 else [path for path in b if path.resolve() != a.resolve()]
    if not others:
        raise UserError(f"there is nothing to compare {str(a)!r} with: pass another record after it")
    found = [
        compare(first, read_swept(path), chosen, permutations, seed, scale_margin(margin, chosen))
        for path in tqdm(others, desc="compare", unit="record", disable=len(others) == 1)
    ]
    require_names(found)
    text = FORMATS[format](found[0]) if len(found) == 1 else OVERVIEWS[format](found)
    print_and_save(text, output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("compare", compare_records, EXAMPLES, argv)
