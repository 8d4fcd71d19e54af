"""Simulate how often intervals hold what they are to hold, and how often tests find a difference where there is none."""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from tqdm import tqdm

from experiments.command_line.verb_parser import CommandLine, Option, call_verb
from experiments.evaluation import robustness
from experiments.evaluation.jackknife import FEWEST_BEARING, FEWEST_BLOCKS, FEWEST_UNITS, Scale
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import (
    LEVEL,
    Scores,
    compute_joint_intervals,
    estimate_scores,
    permutation_test,
    point_estimate,
)
from experiments.files.replaceable import print_and_save
from experiments.files.tables import format_duration, make_markdown_table
from experiments.measuring.environment import read_processor_name
from experiments.upkeep.coverage_populations import Population, make_populations
from user_error import UserError

EXAMPLES = """
--output coverage.md
--simulations 100 --units 20 50
--format json --output coverage.json
"""

UNITS = (20, 27, 50, 100)
RESAMPLES = 500
PERMUTATIONS = 199
METHODS = ("percentile", "BCa", "jackknife t")
SCALES: dict[str, Scale] = {
    "clean": "score",
    "corrupted": "score",
    "retention": "difference",
    "one cell": "score",
    "difference": "difference",
}
"""The numbers whose intervals are tried; the difference is that of the corrupted means of two networks."""

HEADING = """# How often intervals hold

Made by `{command}` on {processor} in {duration}.

Test sets are drawn from populations whose numbers are known: the units of committed records, with replacement, and
models with lesions whose sizes differ by factors of e or of e^2, patients of many slices, and a class in one unit of ten.
A 95 % interval should hold the number of its population in 95 of 100 test sets. In brackets: in how many percent of the
test sets an interval was stated at all. Of frames that follow each other, blocks are left out, drawn and swapped
([which ones](scores.md)); as units for themselves they would hold in about 50 to 90.

The jackknife's is what tables, reports and comparisons show. One population defeats every interval: of the 26 patients of
LGG a single one decides the clean mIoU, and a test set of 20 to 50 draws often lacks it, which nothing in the test set can
tell. Where such patients are to be feared, trust no interval of fewer than 100 units. And where the difference of two
networks is itself correlated by 0.8 from a frame to the next, intervals of 100 to 200 frames hold in 91 % instead of 95.
"""

ALIKE = """## Two networks that are alike

How often a difference of their corrupted means is found all the same; it should be 5.
"""

Row = dict[str, Any]


def make_measure(conditions: Sequence[robustness.Condition]) -> Callable[[Sequence[np.ndarray]], dict[str, np.ndarray]]:
    """Scores (..., conditions) of two networks to the numbers of `SCALES`."""

    def measure(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        one, other = scores
        clean = robustness.select_clean_score(one, conditions)
        corrupted, others = (robustness.compute_corrupted_mean(part, conditions) for part in (one, other))
        return {
            "clean": clean,
            "corrupted": corrupted,
            "retention": corrupted / clean,
            "one cell": one[..., -1],
            "difference": others - corrupted,
        }

    return measure


def find_intervals(
    models: Sequence[Scores], measure: Callable[[Sequence[np.ndarray]], Mapping[str, np.ndarray]]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Edges of each number's interval by each method."""
    found = compute_joint_intervals(models, measure, SCALES.__getitem__)
    return {(name, method): edges for name in SCALES for method, edges in zip(METHODS, found[name], strict=True)}


def simulate(population: Population, units: int, simulations: int, rng: np.random.Generator) -> list[Row]:
    """Draw test sets of so many units, and count which intervals hold the number of the population.

    Also the p value of a difference between two networks that are alike: each unit's two predictions are swapped at
    random.
    """
    measure = make_measure(population.conditions)
    pair = (population.one, population.other)
    truth = measure([point_estimate(ratio) for ratio in pair])
    found: dict[tuple[str, str], list[float]] = {}
    false = {method: 0 for method in (*METHODS, "permutation test")}
    given = dict.fromkeys(METHODS, 0)
    for _ in range(simulations):
        chosen, blocks = population.draw(units, rng)
        drawn = [ratio.apply(partial(np.take, indices=chosen, axis=0)) for ratio in pair]
        resample_seed = int(rng.integers(2**31))  # one for both: they are compared in pairs
        models = [estimate_scores([ratio], RESAMPLES, resample_seed, blocks) for ratio in drawn]
        for (name, method), edges in find_intervals(models, measure).items():
            found.setdefault((name, method), []).append(_holds(edges, float(truth[name])))
        swapped = _swap(drawn, population.draw_swaps(units, rng))
        models = [estimate_scores([ratio], RESAMPLES, resample_seed, blocks) for ratio in swapped]
        for (name, method), edges in find_intervals(models, measure).items():
            if name == "difference" and not np.isnan(edges[0]):
                given[method] += 1
                false[method] += not edges[0] <= 0 <= edges[1]
        p_values = permutation_test(
            swapped[0],
            swapped[1],
            lambda scores: {"corrupted": robustness.compute_corrupted_mean(scores, population.conditions)},
            PERMUTATIONS,
            int(rng.integers(2**31)),
            blocks,
        )
        false["permutation test"] += p_values["corrupted"] <= 1 - LEVEL
    rows = []
    for method in METHODS:
        coverage = {name: _mean(found[name, method]) for name in SCALES}
        stated = {name: float(np.mean(~np.isnan(found[name, method]))) for name in SCALES}
        alike = false[method] / given[method] if given[method] else None
        rows.append({"method": method, "coverage": coverage, "stated": stated, "false_positives": alike})
    rows.append({"method": "permutation test", "false_positives": false["permutation test"] / simulations})
    return [{"population": population.name, "units": population.count_drawn(units), **row} for row in rows]


def _holds(edges: tuple[float, float], value: float) -> float:
    return float("nan") if np.isnan(edges[0]) else float(edges[0] <= value <= edges[1])


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def _swap(pair: Sequence[Ratio], swaps: np.ndarray) -> list[Ratio]:
    one, other = pair

    def choose(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.where(swaps[:, None, None], left, right)

    return [
        Ratio(choose(first.numerator, second.numerator), choose(first.denominator, second.denominator))
        for first, second in ((one, other), (other, one))
    ]


def try_recipes(trainings: int, simulations: int, rng: np.random.Generator) -> float:
    """How often Welch's t test finds a difference between trainings of one recipe, whose scores are normal."""
    from scipy import stats

    scores = rng.normal(size=(2, simulations, trainings))
    return float(np.mean(stats.ttest_ind(scores[0], scores[1], axis=-1, equal_var=False).pvalue <= 1 - LEVEL))


def format_page(rows: Sequence[Row], recipes: Mapping[int, float], heading: str, note: str) -> str:
    """The page: tables of coverage and of false positives, in percent, below its heading."""
    coverage = [
        [
            row["population"],
            str(row["units"]),
            row["method"],
            *(_format_coverage(row["coverage"][name], row["stated"][name]) for name in SCALES),
        ]
        for row in rows
        if "coverage" in row
    ]
    found: dict[tuple[str, int], dict[str, float | None]] = {}
    for row in rows:
        found.setdefault((row["population"], row["units"]), {})[row["method"]] = row["false_positives"]
    tests = ("BCa", "jackknife t", "permutation test")
    false = [[name, str(units), *(_format(by[test]) for test in tests)] for (name, units), by in found.items()]
    trained = [[f"{number} against {number}", _format(rate)] for number, rate in recipes.items()]
    return "\n".join(
        [
            heading,
            make_markdown_table(["population", "units", "interval", *SCALES], coverage, left=(0, 2)),
            ALIKE,
            make_markdown_table(["two networks that are alike", "units", *tests], false, left=(0,)),
            "## Two recipes that are alike\n",
            make_markdown_table(["trainings of one recipe", "Welch's t test"], trained, left=(0,)),
            note,
        ]
    )


def _format(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _format_coverage(value: float | None, stated: float) -> str:
    return _format(value) if stated > 0.995 else f"{_format(value)} ({100 * stated:.0f})"


def measure_coverage(
    *,
    simulations: int = 400,
    units: Sequence[int] = UNITS,
    seed: int = 0,
    format: Annotated[Literal["markdown", "json"], Option()] = "markdown",
    output: Path | None = None,
    command_line: CommandLine,
) -> None:
    """Simulate how often 95 % intervals hold the number that they are about, and how often tests err.

    Test sets of so many units are drawn from populations whose numbers are known: the units of committed records, and
    models with sizes that differ by far, patients of many slices, and a rare class. An interval should hold its number in
    95 of 100 test sets. In brackets: in how many percent of the test sets an interval was stated at all.

    Args:
        simulations: test sets of each population and number of units.
        units: of a test set.
        seed: of all draws.
        format: of what is printed.
        output: also write it there.
        command_line: shown on the page.

    Raises:
        UserError: no simulation, or units too few to leave one out.
    """
    if simulations < 1 or min(units) < 2:
        raise UserError("pass --simulations of at least 1 and --units of at least 2")
    rng, started = np.random.default_rng(seed), time.perf_counter()
    cases = [(population, number) for population in make_populations(seed) for number in units]
    rows = [
        row
        for population, number in tqdm(cases, desc="coverage", unit="case")
        for row in simulate(population, number, simulations, rng)
    ]
    recipes = {number: try_recipes(number, 100 * simulations, rng) for number in (3, 5)}
    if format == "json":
        text = json.dumps({"simulations": simulations, "seed": seed, "rows": rows, "recipes": recipes}, indent=2) + "\n"
    else:
        command = shlex.join(["python", "-m", "experiments", "coverage", *command_line])
        heading = HEADING.format(
            command=command, processor=read_processor_name(), duration=format_duration(time.perf_counter() - started)
        )
        note = (
            f"In percent, from {simulations} test sets each (seed {seed}), so that 95 is uncertain by "
            f"{196 * np.sqrt(0.05 * 0.95 / simulations):.1f} points. Bootstrap of {RESAMPLES} resamples. The jackknife states no "
            f"interval below {FEWEST_UNITS} units or {FEWEST_BLOCKS} blocks' worth of frames, or where fewer than "
            f"{FEWEST_BEARING} of the units bear on the number.\n"
        )
        text = format_page(rows, recipes, heading, note)
    print_and_save(text, output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("coverage", measure_coverage, EXAMPLES, argv)
