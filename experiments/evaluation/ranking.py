"""Rows of a leaderboard: pure functions of records and published tables."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from experiments.evaluation import robustness
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.costs import Costs, find_cost
from experiments.evaluation.metric_summary import MetricSummary, flatten_summary
from experiments.evaluation.published import Description, Published, Statement, Table
from experiments.evaluation.published_checks import compute_number, find_reference
from experiments.evaluation.recipe import compute_recipe_key, find_entry, find_recipe_seed
from experiments.evaluation.record import Record
from experiments.evaluation.scores.base import as_number
from user_error import UserError

HEADLINES = ("clean_miou", "mean_corrupted_miou", "retention")
KIND = "mean_of_kind_"
"""Prefix of the mean over the conditions of a further kind."""

RECOMPUTED = "recomputed_"
"""Prefix of what the source of a published table states beyond means, such as lowest scores, recomputed."""

DEGRADATIONS = ("mcd", "mrcd", "cd_of_sums", "rcd_of_sums")
COSTS = ("parameters", "multiply_adds", "latency_ratio")

Row = dict[str, Any]


def make_record_row(record: Record) -> Row:
    """The flat row of a record."""
    summary = record.summary
    flat: Row = {"name": record.name, "source": "record", "data": record.data.name, "images": record.data.images}
    flat["units"] = record.data.resampled_units
    for key in HEADLINES:
        flat[key] = getattr(summary, key)
        flat[f"{key}_low"], flat[f"{key}_high"] = summary.intervals[key].edges
    for kind, mean in summary.means.items():
        flat[f"{KIND}{kind}"] = mean
        flat[f"{KIND}{kind}_low"], flat[f"{KIND}{kind}_high"] = summary.intervals[f"means.{kind}"].edges
    flat |= {"recipe": compute_recipe_key(record.recipe), "seed": find_recipe_seed(record.recipe)}
    start = find_entry(record.recipe, "model", "init_args", "start")
    flat |= {"start": start} if isinstance(start, str) else {}
    flat |= {f"miou_{name}": value for name, value in {**summary.shifts, **summary.corruptions}.items()}
    flat |= {f"family_{name}": value for name, value in summary.families.items()}
    flat |= {"suite": record.suite.title, "suite_hash": record.suite_hash}
    return {**flat, "order": record.suite.order_in_words}


def make_ranked_rows(
    records: Sequence[Record],
    allow_mixed: bool = False,
    reference: Record | None = None,
    costs: Sequence[Costs] = (),
    summaries: Sequence[Sequence[MetricSummary]] = (),
) -> list[Row]:
    """Rows by their corrupted mean from the best on; by their clean score where a suite has real shifts alone.

    Args:
        records: in any order.
        allow_mixed: take records that were not made under the same conditions on the same images.
        reference: adds the degradation against this record to the rows of its suite and images.
        costs: files; adds those of each record's checkpoint; null where it has none.
        summaries: of each record by several metrics, which are added; the first one ranks. By mIoU without them.

    Raises:
        UserError: the records do not compare, and `allow_mixed` is not set.
    """
    rows = [
        {
            "rank": rank,
            **make_record_row(records[place]),
            **_flatten_summaries(summaries[place] if summaries else ()),
            **_describe_left_out(records[place]),
            **_describe_passes(records[place]),
            **_compute_degradations(records[place], reference),
            **_find_costs(records[place], costs),
        }
        for rank, place in enumerate(order_records(records, allow_mixed, summaries), 1)
    ]
    return _add_seed_statistics(rows, [found.metric.name for found in summaries[0]] if summaries else [])


def order_records(
    records: Sequence[Record], allow_mixed: bool = False, summaries: Sequence[Sequence[MetricSummary]] = ()
) -> list[int]:
    """Places of the records from the best on, by the first metric of their summaries or by mIoU.

    Raises:
        UserError: the records do not compare, and `allow_mixed` is not set.
    """
    for one, other in pairwise(records):
        why = None if allow_mixed else find_difference(one, other)
        if why is not None:
            raise UserError(
                f"{one.name!r} and {other.name!r} were swept {why}, so their scores do not rank against each other: rank "
                "them apart, or pass --allow-mixed to see them in one table all the same"
            )
    if summaries:
        return sorted(range(len(records)), key=lambda place: _find_ranking_key(summaries[place][0]))
    scores = [(record.summary.mean_corrupted_miou, record.summary.clean_miou) for record in records]
    return sorted(range(len(records)), key=lambda place: -_find_first(*scores[place]))


def _find_ranking_key(found: MetricSummary) -> float:
    """Lower for the better."""
    stated = [found.numbers[name].value for name in ("corrupted", "clean") if name in found.numbers]
    worst = -float("inf") if not found.metric.lower_is_better else float("inf")
    score = next((value for value in stated if value is not None), worst)
    return score if found.metric.lower_is_better else -score


def _find_first(*scores: float | None) -> float:
    return next((score for score in scores if score is not None), -1.0)


def _flatten_summaries(found: Sequence[MetricSummary]) -> Row:
    return {key: value for one in found for key, value in flatten_summary(one).items()}


def _describe_left_out(record: Record) -> Row:
    return {"left_out": ", ".join(record.left_out)} if record.left_out else {}


def _describe_passes(record: Record) -> Row:
    """How a network was computed where that is not exact, and how many pixels of the first batch change class by it."""
    effect = record.environment.get("passes_effect")
    if not isinstance(effect, dict):
        return {}
    changed, pixels = (effect.get(key) for key in ("changed", "pixels"))
    how = f"{record.environment.get('passes')} passes at {record.environment.get('precision')}"
    return {"passes": f"{how}, at least {changed} of {pixels} pixels change class"}


def _compute_degradations(record: Record, reference: Record | None) -> Row:
    """Against `reference`: of 1 - mIoU (CD) and of the pixel error (CE); nothing where the two do not compare."""
    if reference is None or find_difference(record, reference) is not None or not record.summary.corruptions:
        return {}
    found = {
        metric: compute_degradation(
            [record.conditions[place] for place in record.headline_places],
            np.array([record.cells[place].scores.get(metric) for place in record.headline_places], dtype=float),
            np.array([reference.cells[place].scores.get(metric) for place in record.headline_places], dtype=float),
        )
        for metric in ("miou", "pixel_accuracy")
    }
    degradation = {key: as_number(found["miou"][key]) for key in DEGRADATIONS}
    return {**degradation, "mce": as_number(found["pixel_accuracy"]["mcd"])}


def _find_costs(record: Record, costs: Sequence[Costs]) -> Row:
    """Of the record's checkpoint; the latency is that of the first batch size."""
    if not costs:
        return {}
    cost = find_cost(costs, record.checkpoint.get("sha256"))
    if cost is None:
        return dict.fromkeys(COSTS)
    measured = (cost.parameters, cost.multiply_adds, cost.batches[0].latency_ratio)
    return dict(zip(COSTS, measured, strict=True))


def compute_degradation(
    conditions: Sequence[robustness.Condition], scores: np.ndarray, reference: np.ndarray
) -> dict[str, Any]:
    """See `robustness.degradation_against_reference`; both have the scores of the same conditions."""

    def split(values: np.ndarray) -> tuple[float, Mapping[str, np.ndarray]]:
        groups = robustness.group_by_corruption(conditions)
        return float(robustness.select_clean_score(values, conditions)), {
            name: values[at] for name, at in groups.items()
        }

    return robustness.degradation_against_reference(*split(scores), *split(reference))


def _add_seed_statistics(rows: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """Where rows share a recipe, its mean over the trainings, their standard deviation, and their seeds.

    A seed may stand there several times: trained on another processor, it is another training.
    """
    keys = [*HEADLINES, *(f"{name}_{key}" for name in metrics for key in ("clean", "corrupted", "retention"))]
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        if row["recipe"] is not None:
            groups.setdefault((row["recipe"], row["suite_hash"], row["data"]), []).append(row)
    spread = []
    for row in rows:
        group = groups.get((row["recipe"], row["suite_hash"], row["data"]), [])
        several = len({member["seed"] for member in group}) > 1
        spread.append({**row, **(_compute_seed_statistics(group, keys) if several else {})})
    return spread


def _compute_seed_statistics(group: Sequence[Row], keys: Sequence[str]) -> Row:
    seeds = sorted(member["seed"] for member in group if member["seed"] is not None)
    found: Row = {"seeds": ", ".join(map(str, seeds))}
    for key in keys:
        values = [row[key] for row in group if row.get(key) is not None]
        if len(values) > 1:
            found[f"{key}_seed_mean"] = float(np.mean(values))
            found[f"{key}_seed_sd"] = float(np.std(values, ddof=1))
    return found


def make_published_rows(table: Table, reference: str | None = None) -> list[Row]:
    """Rows of a published table, ranked among themselves alone, and among those of their data set.

    Args:
        table: one of `read_table`.
        reference: the model that degradation is measured against; that of the table's source if `None`.
    """
    rows = []
    for group in table.list_groups():
        chosen = find_reference(group, reference or table.description.reference)
        order = sorted(
            group, key=lambda model: -robustness.compute_corrupted_mean(model.headline[1], model.headline[0])
        )
        for place, model in enumerate(order, 1):
            data = {"data": model.data} if model.data else {}
            head = {"rank": place, "name": model.name, "source": table.name, **data}
            rows.append({**head, **_make_published_row(model, chosen, table.description)})
    return rows


def _make_published_row(model: Published, reference: Published | None, described: Description) -> Row:
    metric, (conditions, scores) = described.metric, model.headline
    summary = robustness.summarise(scores, conditions)
    flat: Row = {
        f"clean_{metric}": as_number(summary["clean_miou"]),
        f"mean_corrupted_{metric}": as_number(summary["mean_corrupted_miou"]),
        **{key: as_number(summary[key]) for key in ("retention", "mpc", "rpc")},
    }
    if reference is not None and {*conditions} == {*reference.headline[0]}:
        others = reference.scores[[reference.conditions.index(condition) for condition in conditions]]
        found = compute_degradation(conditions, scores, others)
        flat |= {key: as_number(found[key]) for key in DEGRADATIONS}
    for name, one in _list_further(model, described).items():
        flat[f"{RECOMPUTED}{name}"] = compute_number(one, model, reference)
    means = robustness.compute_corruption_means(model.scores, model.conditions)
    means |= robustness.select_shift_scores(model.scores, model.conditions)
    return flat | {f"{metric}_{name}": float(value) for name, value in means.items()}


def _list_further(model: Published, described: Description) -> dict[str, Statement]:
    """What the source states of a row that has no column of its own: its lowest scores, say."""
    return {
        name: one
        for name, one in model.stated.items()
        if name in described.stated and (one.number == "lowest" or described.stated[name].of)
    }
