"""How well synthetic corruptions predict real conditions, over the networks of a published table or of records."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.jackknife import FEWEST_UNITS
from experiments.evaluation.kinds import SHIFT
from experiments.evaluation.proxy import (
    CORRUPTED,
    FEWEST_FAMILIES,
    FEWEST_NETWORKS,
    Association,
    Edges,
    Study,
    is_among,
    study,
)
from experiments.evaluation.published import NAMES, Published
from experiments.evaluation.published_checks import find_broken
from experiments.evaluation.recipe_comparison import strip_seed
from experiments.evaluation.record import Record, drop_counts
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.shift_scores import Swept, group_alike, has_corruptions
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv, make_markdown_table
from experiments.record_files.published_tables import list_tables, read_table
from experiments.record_files.record_file import read_record, remove_duplicates
from user_error import UserError

EXAMPLES = """
--published semsegbench_2025
--published semsegbench_2025 --by corruption --format csv --output proxy.csv
--published semsegbench_2025 --keep-broken
--published tables/mine.csv
experiments/results/camvid/camvid_dusk/camvid*.json
runs/*/record-imagenet_c.json runs/*/record-real_shifts-acdc.json
"""

MEASURES = {"pearson": "Pearson", "spearman": "Spearman", "partial": "partial, given clean"}

LEVELS = ("condition", "corruption")


class Source(NamedTuple):
    """Networks whose scores may stand together, and what is said of them."""

    name: str
    metric: str
    networks: list[Published]
    namesakes: Mapping[str, str]
    pooled: str | None = None
    broken: Sequence[Published] = ()  # whose cells cannot be their own


class Result(NamedTuple):
    """A study with where it is from, and the networks whose cells cannot be their own."""

    source: Source
    study: Study
    broken: list[Published]
    kept: bool


def read_published(name: str) -> Source:
    """The networks of a published table."""
    table = read_table(name)
    described = table.description
    broken = find_broken(table.models)
    return Source(name, NAMES[described.metric], table.models, described.namesakes, described.pooled, broken)


def gather_records(paths: Sequence[Path]) -> Source:
    """The networks of records, all swept alike on one data set; their cells are their own, as their counts tell.

    A real condition and a corruption are namesakes if they are called the same, as in ``weather=fog`` and ``fog``. Real
    conditions may be those of other data, in records of their own.

    Raises:
        UserError: they were swept under different conditions or on different images.
    """
    records = [drop_counts(read_record(path)) for path in remove_duplicates(paths)]
    if not all(map(has_corruptions, records)):
        return _gather_shifts(group_alike(records))
    for one, other in pairwise(records):
        if (why := find_difference(one, other)) is not None:
            raise UserError(
                f"{one.name!r} and {other.name!r} were swept {why}, so their scores do not correlate with each other: pass "
                "records of one suite and one data set"
            )
    first = records[0]
    real = [name for (name, _), kind in zip(first.conditions, first.kinds, strict=True) if kind == SHIFT]
    namesakes = {name: name.rpartition("=")[2] for name in real}
    return Source("record", "mIoU", [_make_network(record) for record in records], namesakes)


def _gather_shifts(groups: Sequence[Swept]) -> Source:
    """Networks with corruptions on their own data, and with the real conditions of others."""
    networks: list[Published] = []
    namesakes: dict[str, str] = {}
    for group in groups:
        own = _make_network(group.source)
        further = [
            (f"{record.data.name} {cell.corruption}", cell)
            for record in group.shifts
            for cell, kind in zip(record.cells, record.kinds, strict=True)
            if kind == SHIFT
        ]
        namesakes |= {name: name.rpartition("=")[2] for name, _ in further}
        networks.append(
            own._replace(
                conditions=[*own.conditions, *((name, 0) for name, _ in further)],
                scores=np.append(own.scores, np.array([cell.miou for _, cell in further], dtype=float)),
                kinds=[*own.kinds, *[SHIFT] * len(further)],
            )
        )
    return Source("record", "mIoU", networks, namesakes)


def _make_network(record: Record) -> Published:
    places = record.headline_places
    scores = [record.cells[place].miou for place in places]
    return Published(
        record.name,
        [record.conditions[place] for place in places],
        np.array(scores, dtype=float),
        [record.kinds[place] for place in places],
        record.data.name,
        strip_seed(record.name),
    )


def make_results(source: Source, keep_broken: bool = False, each_corruption: bool = False) -> list[Result]:
    """A study of each data set that has networks under corruptions and real conditions.

    Raises:
        UserError: there is none.
    """
    results = []
    for data in dict.fromkeys(network.data for network in source.networks):
        group = [network for network in source.networks if network.data == data]
        broken = [network for network in group if is_among(network, source.broken)]
        chosen = group if keep_broken else [network for network in group if not is_among(network, broken)]
        found = study(chosen, source.namesakes, source.pooled, each_corruption)
        if found is not None:
            results.append(Result(source, found, [one for one in broken if SHIFT in one.kinds], keep_broken))
    if not results:
        raise UserError(
            f"{source.name!r} has no {FEWEST_NETWORKS} networks of one data set with scores under corruptions and under "
            "real conditions (kind 'shift'): pass a table or records that have both"
        )
    return results


def make_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Rows for programs, at full precision; null where there is no interval."""
    rows = []
    for source, found, *_ in results:
        for one in found.predictions:
            row: dict[str, Any] = {"source": source.name, "data": found.data, "real": one.real}
            row |= {"predictor": one.predictor, "networks": len(found.networks), "families": found.families}
            for name in MEASURES:
                row |= _flatten(name, getattr(one, name))
            rows.append(row)
    return rows


def _flatten(name: str, one: Association | None) -> dict[str, float | None]:
    absent = (np.nan, np.nan)
    value, *pairs = one or (np.nan, absent, absent, absent)
    ends = [f"{name}{kind}_{end}" for kind in ("", "_families", "_without_family") for end in ("low", "high")]
    numbers = [number for pair in pairs for number in pair]
    return {name: as_number(value)} | {end: as_number(number) for end, number in zip(ends, numbers, strict=True)}


def format_markdown(results: Sequence[Result]) -> str:
    """A table for each data set, and what it is of."""
    return "\n".join(_format_result(result) for result in results)


def _format_result(result: Result) -> str:
    found = result.study
    titles = ["real condition", "predicted by"]
    titles += [text for title in MEASURES.values() for text in (title, "over families")]
    rows = []
    for one in found.predictions:
        row = [_show_name(one.real), _show_name(one.predictor)]
        for name in MEASURES:
            row += _format_association(getattr(one, name))
        rows.append(row)
    return f"{make_markdown_table(titles, rows, left=(0, 1))}\n{describe(result)}\n"


def _show_name(name: str) -> str:
    return name.replace("_", " ")


def _format_association(one: Association | None) -> list[str]:
    if one is None or np.isnan(one.value):
        return ["-", "-"]
    return [f"{one.value:.3f} {_format_edges(one.networks)}".strip(), _format_edges(one.families) or "-"]


def _format_edges(edges: Edges) -> str:
    return "" if np.isnan(edges).any() else "[{:.2f}, {:.2f}]".format(*edges)


def describe(result: Result) -> str:
    """What the table is of, and which networks are not in it."""
    found, where = result.study, f" on {result.study.data}" if result.study.data else ""
    text = (
        f"Correlations of {result.source.metric} over {len(found.networks)} networks of {found.families} families{where}. "
        f"95 % intervals of the jackknife (Student's t of Fisher's z): beside a number those over networks, which take "
        "networks of one family for independent, and then those over families; none for fewer than "
        f"{FEWEST_UNITS} networks or {FEWEST_FAMILIES} families."
    )
    overall = next(one for one in found.predictions if one.predictor == CORRUPTED)
    low, high = overall.pearson.without_family
    if found.families > 1 and not np.isnan(low):
        text += (
            f" Without one family at a time, Pearson's correlation of the corrupted mean with {_show_name(overall.real)} is "
            f"between {low:.2f} and {high:.2f}."
        )
    named = "; ".join(repr(one.name) for one in result.broken)
    if named:
        what = "Kept although" if result.kept else "Left out, since"
        text += f" {what} their cells cannot be their own (see 'leaderboard'): {named}."
    if found.incomplete:
        missing = "; ".join(repr(one.name) for one in found.incomplete)
        text += f" Left out, since they lack conditions that others have: {missing}."
    return text


FORMATS: dict[str, Callable[[Sequence[Result]], str]] = {
    "markdown": format_markdown,
    "csv": lambda results: as_csv(make_rows(results)),
    "json": lambda results: json.dumps(make_rows(results), indent=2) + "\n",
}


def find_proxies(
    records: Annotated[Sequence[Path], Option(metavar="RECORD")] = (),
    /,
    *,
    published: Annotated[Sequence[str], Option(metavar="NAME", repeated=True, listed=list_tables)] = (),
    by: Annotated[str, Option(choices=LEVELS)] = "condition",
    keep_broken: bool = False,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Say how well synthetic corruptions predict real conditions, over networks.

    Under each real condition: the correlation with clean images, with the mean over corruptions and with the corruption that
    imitates it, and what is left of it given the score on clean images.

    Args:
        records: JSON files that 'benchmark' wrote, of a suite with real shifts and corruptions, or of both by 'benchmark
            --shift'.
        published: a published table, by its name or the path of its CSV.
        by: predictors: 'condition' takes the mean over corruptions and the namesake of a condition, 'corruption' every
            single corruption as well.
        keep_broken: keep networks whose cells cannot be their own.
        format: of what is printed.
        output: write the table to this file as well.

    Raises:
        UserError: there are no such networks.
    """
    if not records and not published:
        raise UserError("there is nothing to correlate: pass records, or --published with the name or path of a table")
    sources = [*([gather_records(records)] if records else []), *map(read_published, dict.fromkeys(published))]
    results = [one for source in sources for one in make_results(source, keep_broken, by == "corruption")]
    print_and_save(FORMATS[format](results), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("proxy", find_proxies, EXAMPLES, argv)
