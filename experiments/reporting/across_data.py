"""One table over several data sets: a row for each network, and whether they rank alike."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, norm

from experiments.evaluation.costs import Costs
from experiments.evaluation.ranking import COSTS, Row, make_ranked_rows
from experiments.evaluation.record import Record
from experiments.evaluation.statistics import LEVEL
from experiments.files.tables import format_interval, format_p_value, format_scaled, make_markdown_table
from experiments.record_files.measured_records import MeasuredRecords
from experiments.reporting.cost_columns import COST_TITLES, describe_costs, format_cost_cells
from user_error import UserError

EDGES = ("", "_low", "_high")
SCORES = ("clean", "corrupted")
METRIC, UNIT = "metric", "unit"
FEWEST = 10
"""Networks below which a rank correlation has no interval."""


class RankCorrelation(NamedTuple):
    """Kendall's tau of a score between two data sets over so many networks, with its interval and its p value."""

    score: str
    one: str
    other: str
    networks: int
    tau: float
    low: float
    high: float
    p: float


def make_rows_across_data(found: MeasuredRecords, costs: Sequence[Costs] = ()) -> list[Row]:
    """A row for each name, with its scores on every data set by the first metric of those data.

    The best on average over the data sets comes first, by the place among those that all of them have; a name that is
    missing from one comes last.

    Args:
        found: records of several data sets; those of one data set must compare, and differ by name.
        costs: files of the checkpoints of any of them.

    Raises:
        UserError: records of one data set do not compare, or two of them have one name.
    """
    groups = _group_by_data(found)
    tables = {name: _rank_by_name(name, group, costs) for name, group in groups.items()}
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    common = [name for name in names if all(name in table for table in tables.values())]
    places = {name: np.mean([_find_place(name, common, table) for table in tables.values()]) for name in common}
    rows = []
    for rank, name in enumerate(sorted(names, key=lambda name: places.get(name, len(names))), 1):
        row: Row = {"rank": rank, "name": name}
        for data, table in tables.items():
            metric = groups[data].metrics[0]
            row[f"{data}.{METRIC}"], row[f"{data}.{UNIT}"] = metric.title, metric.unit
            for key in (f"{score}{edge}" for score in SCORES for edge in (*EDGES, "_floor")):
                row[f"{data}.{key}"] = table[name].get(f"{metric.name}_{key}") if name in table else None
        cost = [table[name] for table in tables.values() if name in table]
        for key in COSTS if costs else ():
            row[key] = next((one[key] for one in cost if one[key] is not None), None)
        rows.append(row)
    return rows


def select_rows(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows of some names, ranked among themselves; all without names.

    Raises:
        UserError: no row is called so.
    """
    known = [row["name"] for row in rows]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise UserError(f"no record is called {unknown!r}: pass as --only some of {', '.join(known)}")
    chosen = [row for row in rows if row["name"] in names] if names else rows
    return [{**row, "rank": rank} for rank, row in enumerate(chosen, 1)]


def _group_by_data(found: MeasuredRecords) -> dict[str, MeasuredRecords]:
    groups: dict[str, MeasuredRecords] = {}
    for record, measured in zip(found.records, found.measured, strict=True):
        group = groups.setdefault(record.data.name, MeasuredRecords([], []))
        group.records.append(record)
        group.measured.append(measured)
    return groups


def _rank_by_name(data: str, found: MeasuredRecords, costs: Sequence[Costs]) -> dict[str, Row]:
    rows = make_ranked_rows(found.records, costs=costs, summaries=found.summarise())
    names = [row["name"] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two records of {data} are called {twice!r}: tell them apart by 'benchmark --name'")
    return dict(zip(names, rows, strict=True))


def _find_place(name: str, names: Sequence[str], table: Mapping[str, Row]) -> int:
    """Among `names`, from 0."""
    return [one for one in table if one in names].index(name)


def describe_orders(records: Sequence[Record]) -> str:
    """Sentences on where images were corrupted, and how predicted, if that differs between the data sets; else empty."""
    orders = {record.data.name: record.suite.order_in_words for record in records}
    protocols = {record.data.name: record.suite.protocol_in_words or "the usual protocol" for record in records}
    found = ""
    for what, by_data in (("Images were corrupted", orders), ("Networks were tested by", protocols)):
        if len({*by_data.values()}) > 1:
            places = ", ".join(f"{words} on {data}" for data, words in by_data.items())
            found += f"{what} {places}, so that scores do not compare between these.\n"
    return found


def compute_rank_correlations(rows: Sequence[Row], data: Sequence[str]) -> list[RankCorrelation]:
    """Kendall's tau of each score between every two data sets."""
    found = []
    for score in SCORES:
        for one, other in combinations(data, 2):
            pairs = [(row[f"{one}.{score}"], row[f"{other}.{score}"]) for row in rows]
            known = [pair for pair in pairs if None not in pair]
            if len(known) > 2:
                result = kendalltau(*zip(*known, strict=True))
                edges = find_tau_interval(float(result.statistic), len(known))
                number, p = len(known), float(result.pvalue)
                found.append(RankCorrelation(score, one, other, number, float(result.statistic), *edges, p))
    return found


def find_tau_interval(tau: float, number: int) -> tuple[float, float]:
    """The interval at `LEVEL` of Kendall's tau over so many pairs, NaN for few (Fieller, Hartley & Pearson, Biometrika 1957)."""
    if number < FEWEST or abs(tau) >= 1:
        return float("nan"), float("nan")
    reach = norm.ppf((1 + LEVEL) / 2) * np.sqrt(0.437 / (number - 4))
    return float(np.tanh(np.arctanh(tau) - reach)), float(np.tanh(np.arctanh(tau) + reach))


def list_data(rows: Sequence[Row]) -> list[str]:
    """Names of the data sets that rows have columns of."""
    return list(dict.fromkeys(key.rpartition(".")[0] for row in rows for key in row if key.endswith(f".{METRIC}")))


def format_markdown(shown: Sequence[Row], rows: Sequence[Row], costs: Sequence[Costs]) -> str:
    """For people, in percent: rows that are `shown`, and correlations over all `rows`."""
    data = list_data(rows)
    titles = ["#", "name", *(f"{one} {score}" for one in data for score in SCORES)]
    titles += COST_TITLES if costs else []
    cells = [
        [
            str(row["rank"]),
            row["name"],
            *_format_scores(row, data),
            *(format_cost_cells(row) if costs else []),
        ]
        for row in shown
    ]
    keys = [f"{one}.{score}_floor" for one in data for score in SCORES]
    floors = [[next((row[key] for row in rows if row.get(key) is not None), None) for key in keys]]
    floors = [floor for floor in floors if any(value is not None for value in floor)]
    cells += [
        [
            "",
            "floor",
            *("" if value is None else f"{100 * value:.1f}" for value in values),
            *[""] * (len(COST_TITLES) if costs else 0),
        ]
        for values in floors
    ]
    metrics = "; ".join(f"{next(row[f'{one}.{METRIC}'] for row in rows)} on {one}" for one in data)
    note = f"Clean and mean over corruptions ({metrics}; in percent where they are fractions), with 95 % intervals (jackknife t) "
    note += "over images, their units or blocks. The best on average over the data sets, by place, comes first."
    note += " Floor: the best of one class everywhere and of guessing by frequency." if floors else ""
    alike = [_describe_correlation(one) for one in compute_rank_correlations(rows, data)]
    if alike:
        note += f" Kendall's rank correlation, 1 where two data sets rank alike: {'; '.join(alike)}."
    note += f" {describe_costs(costs)}" if costs else ""
    return f"{make_markdown_table(titles, cells)}\n{note}\n"


def _describe_correlation(found: RankCorrelation) -> str:
    edges = "" if np.isnan(found.low) else f" [{found.low:.2f}, {found.high:.2f}]"
    return (
        f"{found.score} scores of {found.one} and {found.other} {found.tau:.2f}{edges} (p = {format_p_value(found.p)}, "
        f"{found.networks} networks)"
    )


def _format_scores(row: Row, data: Sequence[str]) -> list[str]:
    keys = [f"{name}.{score}" for name in data for score in SCORES]
    return ["-" if row[key] is None else _format_score(row, key) for key in keys]


def _format_score(row: Row, key: str) -> str:
    values = [row[f"{key}{edge}"] for edge in EDGES]
    if row[f"{key.rpartition('.')[0]}.{UNIT}"] == "percent":
        return format_interval(*values)
    value, low, high = values
    return format_interval(value, low, high, format_scaled)
