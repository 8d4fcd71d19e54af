"""One table over several data sets: a row for each network, and whether they rank alike."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.stats import kendalltau

from experiments.evaluation.costs import Costs
from experiments.evaluation.ranking import COSTS, Row, make_ranked_rows
from experiments.evaluation.record import Record
from experiments.files.tables import format_interval, make_markdown_table
from experiments.reporting.cost_columns import COST_TITLES, describe_costs, format_cost_cells
from user_error import UserError

EDGES = ("", "_low", "_high")
SCORES = ("clean_miou", "mean_corrupted_miou")
TITLES = {"clean_miou": "clean", "mean_corrupted_miou": "corrupted"}


def make_rows_across_data(records: Sequence[Record], costs: Sequence[Costs] = ()) -> list[Row]:
    """A row for each name, with its scores on every data set.

    The best on average over the data sets comes first, by the place among those that all of them have; a name that is
    missing from one comes last.

    Args:
        records: of several data sets; those of one data set must compare, and differ by name.
        costs: files of the checkpoints of any of them.

    Raises:
        UserError: records of one data set do not compare, or two of them have one name.
    """
    tables = {name: _rank_by_name(name, group, costs) for name, group in _group_by_data(records).items()}
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    common = [name for name in names if all(name in table for table in tables.values())]
    places = {name: np.mean([_find_place(name, common, table) for table in tables.values()]) for name in common}
    rows = []
    for rank, name in enumerate(sorted(names, key=lambda name: places.get(name, len(names))), 1):
        row: Row = {"rank": rank, "name": name}
        for data, table in tables.items():
            for key in (f"{score}{edge}" for score in SCORES for edge in EDGES):
                row[f"{data}.{key}"] = table[name][key] if name in table else None
        found = [table[name] for table in tables.values() if name in table]
        for key in COSTS if costs else ():
            row[key] = next((one[key] for one in found if one[key] is not None), None)
        rows.append(row)
    return rows


def _group_by_data(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.data.name, []).append(record)
    return groups


def _rank_by_name(data: str, records: Sequence[Record], costs: Sequence[Costs]) -> dict[str, Row]:
    rows = make_ranked_rows(records, costs=costs)
    names = [row["name"] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two records of {data} are called {twice!r}: tell them apart by 'benchmark --name'")
    return dict(zip(names, rows, strict=True))


def _find_place(name: str, names: Sequence[str], table: Mapping[str, Row]) -> int:
    """Among `names`, from 0."""
    return [one for one in table if one in names].index(name)


def describe_orders(records: Sequence[Record]) -> str:
    """A sentence on where images were corrupted, if that differs between the data sets; empty where it does not."""
    orders = {record.data.name: record.suite.order_in_words for record in records}
    if len(set(orders.values())) < 2:
        return ""
    places = ", ".join(f"{order} on {data}" for data, order in orders.items())
    return f"Images were corrupted {places}, so that scores do not compare between these.\n"


def compute_rank_correlations(rows: Sequence[Row], data: Sequence[str]) -> list[tuple[str, str, str, float, int]]:
    """Kendall's tau of each score between every two data sets: (score, one, other, tau, rows)."""
    found = []
    for score in SCORES:
        for one, other in combinations(data, 2):
            pairs = [(row[f"{one}.{score}"], row[f"{other}.{score}"]) for row in rows]
            known = [pair for pair in pairs if None not in pair]
            if len(known) > 2:
                found.append((score, one, other, float(kendalltau(*zip(*known, strict=True)).statistic), len(known)))
    return found


def list_data(rows: Sequence[Row]) -> list[str]:
    """Names of the data sets that rows have columns of."""
    return list(dict.fromkeys(key.rpartition(".")[0] for row in rows for key in row if key.endswith(f".{SCORES[0]}")))


def format_markdown(rows: Sequence[Row], costs: Sequence[Costs]) -> str:
    """For people, in percent."""
    data = list_data(rows)
    titles = ["#", "name", *(f"{one} {TITLES[score]}" for one in data for score in SCORES)]
    titles += COST_TITLES if costs else []
    shown = [
        [
            str(row["rank"]),
            row["name"],
            *_format_scores(row, data),
            *(format_cost_cells(row) if costs else []),
        ]
        for row in rows
    ]
    note = "MIoU in percent, clean and mean over corruptions, with 95 % intervals (jackknife t) over images or their units."
    note += " The best on average over the data sets, by place, comes first."
    alike = [
        f"{TITLES[score]} mIoU of {one} and {other} {tau:.2f} ({number} networks)"
        for score, one, other, tau, number in compute_rank_correlations(rows, data)
    ]
    if alike:
        note += f" Kendall's rank correlation, 1 where two data sets rank alike: {', '.join(alike)}."
    note += f" {describe_costs(costs)}" if costs else ""
    return f"{make_markdown_table(titles, shown)}\n{note}\n"


def _format_scores(row: Row, data: Sequence[str]) -> list[str]:
    keys = [f"{name}.{score}" for name in data for score in SCORES]
    return ["-" if row[key] is None else format_interval(*(row[f"{key}{edge}"] for edge in EDGES)) for key in keys]
