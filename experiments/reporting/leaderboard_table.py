"""The leaderboard's table of records in Markdown: scores by several metrics, what a score is worth, and costs."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.evaluation.compared_metrics import Metric
from experiments.evaluation.costs import Costs
from experiments.evaluation.metric_summary import ABOVE, CORRUPTION, FAMILY
from experiments.evaluation.ranking import DEGRADATIONS, KIND, Row
from experiments.files.tables import format_interval, format_percent, format_scaled, make_markdown_table
from experiments.reporting.cost_columns import COST_TITLES, describe_costs, format_cost_cells
from experiments.reporting.published_table import TITLES, find_columns

NUMBERS = {
    "clean": "clean {metric}",
    "corrupted": "corrupted {metric}",
    "retention": "retention",
    ABOVE: "retention above floor",
    "seen": "{metric}, seen",
    "unseen": "{metric}, unseen",
}
"""Numbers of the first metric, with their titles; further metrics show `BRIEF` alone."""

BRIEF = ("clean", "corrupted")

PREFIXES = {"corruption": CORRUPTION, "family": FAMILY, "none": None}
"""What further columns may show, by what follows the first metric's name in the keys of a row."""


class ScoreColumn(NamedTuple):
    """A column of scores with intervals."""

    key: str
    title: str
    percent: bool
    floor: str | None  # the key of its floor


def list_score_columns(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[ScoreColumn]:
    """The columns that some row has a value in; the first metric's in full."""
    keys, columns = {key for row in rows for key in row}, []
    for place, metric in enumerate(metrics):
        for name, title in NUMBERS.items():
            key = f"{metric.name}_{name}"
            if key in keys and (place == 0 or name in BRIEF):
                words = title.format(metric=metric.title)
                percent = metric.unit == "percent" or name in ("retention", ABOVE)
                columns.append(ScoreColumn(key, words, percent, f"{key}_floor" if name in BRIEF else None))
    kinds = {key: title for key, title in find_columns(KIND, rows).items() if f"{key}_low" in keys}
    first = metrics[0].name
    for key, title in kinds.items():  # the mean of a further kind, by mIoU or by the first metric
        own = f"{first}_{key.removeprefix(KIND)}"
        if own in keys:
            columns.append(ScoreColumn(own, f"{title} {metrics[0].title}", metrics[0].unit == "percent", None))
        else:
            columns.append(ScoreColumn(key, f"{title} mIoU", True, None))
    return columns


def make_record_table(
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    costs: Sequence[Costs],
    by: str,
    seen: Sequence[str] = (),
) -> str:
    """Rows by rank, the floor of each data set below them, and a note on what the numbers are.

    Args:
        rows: of records.
        metrics: that they were summarised by, the first one in full.
        costs: content of cost files of the records' networks.
        by: what the further columns show, a key of `PREFIXES`.
        seen: corruptions that the training of some row has met.
    """
    rows, prefix = _name_orders(rows), PREFIXES[by]
    scores = list_score_columns(rows, metrics)
    degradations = [key for key in (*DEGRADATIONS, "mce") if any(key in row for row in rows)]
    further = find_columns(None if prefix is None else f"{metrics[0].name}{prefix}", rows)
    mixed = len({(row["data"], row["suite_hash"]) for row in rows}) > 1
    titles = ["#", "name", *(["data", "suite"] if mixed else []), *(column.title for column in scores)]
    titles += [*(TITLES[key] for key in degradations), *further.values(), *(COST_TITLES if costs else [])]
    plain = metrics[0].unit == "percent"
    cells = [
        [
            str(row["rank"]),
            row["name"],
            *([row["data"], row["suite"]] if mixed else []),
            *(_format_score(row, column) for column in scores),
            *(format_percent(row.get(key)) for key in degradations),
            *(format_percent(row.get(key)) if plain else format_scaled(row.get(key)) for key in further),
            *(format_cost_cells(row) if costs else []),
        ]
        for row in rows
    ]
    cells += _make_floor_rows(rows, scores, mixed, len(titles))
    return f"{make_markdown_table(titles, cells)}\n{_describe(rows, metrics, costs, seen)}\n"


def _name_orders(rows: Sequence[Row]) -> list[Row]:
    """The rows, whose suite says where images were corrupted if that differs between them."""
    several = len({row["order"] for row in rows}) > 1
    return [{**row, "suite": f"{row['suite']}, corrupted {row['order']}"} if several else row for row in rows]


def _format_score(row: Row, column: ScoreColumn) -> str:
    value, low, high = (row.get(f"{column.key}{edge}") for edge in ("", "_low", "_high"))
    return format_interval(value, low, high, format_percent if column.percent else format_scaled)


def _make_floor_rows(rows: Sequence[Row], columns: Sequence[ScoreColumn], mixed: bool, width: int) -> list[list[str]]:
    """What an answer scores that does not look at the images, for each data set and suite."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        values = [row.get(column.floor) if column.floor else None for column in columns]
        if any(value is not None for value in values):
            cells = ["" if value is None else format_percent(value) for value in values]
            lead = ["", "floor", *([row["data"], row["suite"]] if mixed else [])]
            found.setdefault((row["data"], row["suite_hash"]), [*lead, *cells])
    return [[*cells, *[""] * (width - len(cells))] for cells in found.values()]


def _describe(rows: Sequence[Row], metrics: Sequence[Metric], costs: Sequence[Costs], seen: Sequence[str]) -> str:
    measured = sorted({f"{row['data']}, {row['images']} images, suite {row['suite']}" for row in rows})
    units = " and ".join(dict.fromkeys(str(row["units"]) for row in rows))
    numbers = {metric.title: None for metric in metrics if metric.unit != "percent"}
    note = (
        f"In percent{''.join(f', {one} as it is' for one in numbers)}, with 95 % intervals (jackknife t) over {units} "
    )
    note += f"({'; '.join(measured)})."
    answers = {
        (metric.title, row[f"{metric.name}_floor"]): None
        for metric in metrics
        for row in rows
        if row.get(f"{metric.name}_floor")
    }
    if answers:
        words = "; ".join(f"{title}: {answer}" for title, answer in answers)
        note += f" Floor: the best of one class everywhere and of guessing by frequency ({words})."
    if any(f"{metrics[0].name}_seen" in row for row in rows):
        note += f" Seen: what the training of a network here has met, or a relative of it ({', '.join(seen)})."
    note += "".join(metric.convention for metric in metrics)
    idle = dict.fromkeys(f"{row['left_out']} ({row['data']}, {row['suite']})" for row in rows if "left_out" in row)
    note += f" In no mean, since they change no image: {'; '.join(idle)}." if idle else ""
    faster = [f"{row['name']} ({row['passes']})" for row in rows if "passes" in row]
    note += f" Not computed exactly: {'; '.join(faster)}." if faster else ""
    return note + (f" {describe_costs(costs)}" if costs else "")


def make_seed_table(rows: Sequence[Row], metric: Metric) -> str:
    """A row for each recipe with several trainings; empty where there is none."""
    pooled = {(row["recipe"], row["suite_hash"], row["data"]): row for row in rows if "seeds" in row}
    if not pooled:
        return ""
    keys = [
        key
        for key in ("clean", "corrupted", "retention")
        if any(f"{metric.name}_{key}_seed_mean" in row for row in rows)
    ]
    shown = format_percent if metric.unit == "percent" else format_scaled
    cells = [
        [
            "; ".join(row["name"] for row in rows if row["recipe"] == key[0] and row["suite_hash"] == key[1]),
            group["seeds"],
            *(
                " ± ".join(shown(group.get(f"{metric.name}_{one}_seed_{kind}")) for kind in ("mean", "sd"))
                for one in keys
            ),
        ]
        for key, group in pooled.items()
    ]
    titles = ["recipe", "seeds", *(one if one == "retention" else f"{one} {metric.title}" for one in keys)]
    table = make_markdown_table(titles, cells, left=(0,))
    unit = ", in percent" if metric.unit == "percent" else ""
    return f"{table}\nMean and standard deviation over the trainings of one recipe{unit}.{_describe_starts(rows)}\n"


def _describe_starts(rows: Sequence[Row]) -> str:
    """A sentence on trainings that begin from one checkpoint: their spread is no one of trainings anew."""
    starts = [row["start"] for row in rows if row.get("start")]
    shared = sorted({start for start in starts if starts.count(start) > 1})
    if not shared:
        return ""
    return f" Trainings that begin from one checkpoint ({', '.join(shared)}) are no independent trainings."
