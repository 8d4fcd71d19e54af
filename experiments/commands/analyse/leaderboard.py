"""Rank records in a table beside published ones, from their files alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.costs import Costs
from experiments.evaluation.published import Table
from experiments.evaluation.ranking import DEGRADATIONS, HEADLINES, KIND, Row, make_published_rows, make_ranked_rows
from experiments.evaluation.record import Record, drop_counts
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv, format_interval, format_percent, make_markdown_table
from experiments.record_files.cost_file import read_all_costs
from experiments.record_files.published_tables import list_tables, read_table
from experiments.record_files.record_file import read_record, remove_duplicates
from experiments.reporting.cost_columns import COST_TITLES, describe_costs, format_cost_cells
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json
experiments/results/camvid/imagenet_c/*.json --format csv --output board.csv
experiments/results/camvid/imagenet_c/*.json --reference "FPN mobilenet_v2"
runs/*/record-core.json --costs costs.json --by family
results/camvid/imagenet_c/*.json results/kvasir/imagenet_c/*.json --by data
--published cityscapes_c_segformer_table5 --reference "DLv3+ (MBv2)" --format json
"""

TITLES = {
    "mcd": "mCD",
    "mrcd": "mrCD",
    "cd_of_sums": "CD of sums",
    "rcd_of_sums": "rCD of sums",
    "mce": "mCE",
}

COLUMNS = {"corruption": "miou_", "family": "family_", "none": None}
"""What further columns may show, and the prefix of their keys in a row."""

ACROSS = "data"
"""The choice in which rows are names and each data set has columns."""


def format_markdown(
    rows: Sequence[Row], tables: Sequence[Table] = (), costs: Sequence[Costs] = (), by: str = "corruption"
) -> str:
    """Format Markdown tables in percent, with 95 % intervals: records first, then each published table.

    Args:
        rows: of records and published tables.
        tables: the published ones.
        costs: content of cost files of the records' networks.
        by: what the further columns of the table of records show, a key of `COLUMNS`.
    """
    records = [row for row in rows if row["source"] == "record"]
    parts = [_make_record_table(records, costs, COLUMNS[by]), _make_seed_table(records)] if records else []
    for table in tables:
        prefix = None if by == "none" else f"{table.description.metric}_"
        parts.append(_make_published_table([row for row in rows if row["source"] == table.name], table, prefix))
    return "\n".join(part for part in parts if part)


def _format_across_data(records: Sequence[Record], costs: Sequence[Costs], form: str) -> str:
    from experiments.reporting import across_data  # its statistics load slowly

    rows = across_data.make_rows_across_data(records, costs)
    if form == "markdown":
        return across_data.format_markdown(rows, costs) + across_data.describe_orders(records)
    return FORMATS[form](rows, (), costs, "")


def _find_columns(prefix: str | None, rows: Sequence[Row]) -> dict[str, str]:
    """Keys of rows that have a further column, with its title."""
    keys = dict.fromkeys(key for row in rows for key in row if prefix is not None and key.startswith(prefix))
    return {key: key.removeprefix(prefix or "").replace("_", " ") for key in keys}


def _list_keys(rows: Sequence[Row]) -> set[str]:
    return {key for row in rows for key in row}


def _make_record_table(rows: Sequence[Row], costs: Sequence[Costs], prefix: str | None) -> str:
    rows = _name_orders(rows)
    degradations = [key for key in (*DEGRADATIONS, "mce") if any(key in row for row in rows)]
    corruptions = _find_columns(prefix, rows)
    kinds = {key: title for key, title in _find_columns(KIND, rows).items() if f"{key}_low" in _list_keys(rows)}
    titles = ["#", "name", "clean mIoU", "corrupted mIoU", "retention", *(f"{title} mIoU" for title in kinds.values())]
    titles += [TITLES[key] for key in degradations]
    titles += corruptions.values()
    titles += COST_TITLES if costs else []
    mixed = len({(row["data"], row["suite_hash"]) for row in rows}) > 1
    titles[2:2] = ["data", "suite"] if mixed else []
    cells = [
        [
            str(row["rank"]),
            row["name"],
            *([row["data"], row["suite"]] if mixed else []),
            *(
                format_interval(row.get(key), row.get(f"{key}_low"), row.get(f"{key}_high"))
                for key in (*HEADLINES, *kinds)
            ),
            *(format_percent(row.get(key)) for key in (*degradations, *corruptions)),
            *(format_cost_cells(row) if costs else []),
        ]
        for row in rows
    ]
    measured = sorted({f"{row['data']}, {row['images']} images, suite {row['suite']}" for row in rows})
    note = f"In percent, with 95 % intervals (jackknife t) over images or their units ({'; '.join(measured)})."
    idle = dict.fromkeys(f"{row['left_out']} ({row['data']}, {row['suite']})" for row in rows if "left_out" in row)
    note += f" In no mean, since they change no image: {'; '.join(idle)}." if idle else ""
    note += f" {describe_costs(costs)}" if costs else ""
    return f"{make_markdown_table(titles, cells)}\n{note}\n"


def _name_orders(rows: Sequence[Row]) -> list[Row]:
    """The rows, whose suite says where images were corrupted if that differs between them."""
    several = len({row["order"] for row in rows}) > 1
    return [{**row, "suite": f"{row['suite']}, corrupted {row['order']}"} if several else row for row in rows]


def _make_seed_table(rows: Sequence[Row]) -> str:
    """A row for each recipe with several seeds; empty where there is none."""
    pooled = {(row["recipe"], row["suite_hash"], row["data"]): row for row in rows if "seeds" in row}
    if not pooled:
        return ""
    cells = [
        [
            "; ".join(row["name"] for row in rows if row["recipe"] == key[0] and row["suite_hash"] == key[1]),
            str(group["seeds"]),
            *(
                f"{format_percent(group.get(f'{one}_seed_mean'))} ± {format_percent(group.get(f'{one}_seed_sd'))}"
                for one in HEADLINES
            ),
        ]
        for key, group in pooled.items()
    ]
    table = make_markdown_table(["recipe", "seeds", "clean mIoU", "corrupted mIoU", "retention"], cells, left=(0,))
    return f"{table}\nMean and standard deviation over the seeds of one recipe, in percent.\n"


def _make_published_table(rows: Sequence[Row], table: Table, prefix: str | None) -> str:
    described, metric = table.description, table.description.metric
    shown = "mIoU" if metric == "miou" else metric.upper()
    numbers = [f"clean_{metric}", f"mean_corrupted_{metric}", "retention"]
    degradations = [key for key in DEGRADATIONS if any(key in row for row in rows)]
    corruptions = _find_columns(prefix, rows)
    titles = ["#", "published model", f"clean {shown}", f"corrupted {shown}", "retention"]
    titles += [*(TITLES[key] for key in degradations), *corruptions.values()]
    keys = [*numbers, *degradations, *corruptions]
    cells = [[str(row["rank"]), row["name"], *(format_percent(row.get(key)) for key in keys)] for row in rows]
    note = f"{described.title}, as published, in percent: {described.source}. Severities: {described.severities}."
    return f"{make_markdown_table(titles, cells)}\n{note}\n"


FORMATS: dict[str, Callable[[Sequence[Row], Sequence[Table], Sequence[Costs], str], str]] = {
    "markdown": format_markdown,
    "csv": lambda rows, *_: as_csv(rows),
    "json": lambda rows, *_: json.dumps(list(rows), indent=2) + "\n",
}


def find_reference(name: str | None, records: Sequence[Record], tables: Sequence[Table]) -> Record | None:
    """The record called `name`, or `None` where it is a published model's name or none was given.

    Raises:
        UserError: nothing is called so.
    """
    if name is None:
        return None
    found = next((record for record in records if record.name == name), None)
    published = [model.name for table in tables for model in table.models]
    if found is None and name not in published:
        known = ", ".join(repr(one) for one in [*(record.name for record in records), *published])
        raise UserError(f"no row is called {name!r}: pass as --reference one of {known}")
    return found


def find_costs(paths: Sequence[Path], records: Sequence[Record]) -> list[Costs]:
    """The costs at `paths`.

    Raises:
        UserError: they cannot be read or do not stand in one column, or a file has those of other checkpoints alone.
    """
    files = read_all_costs(paths)
    for path, costs in zip(paths, files, strict=True):
        if not any(costs.find(record.checkpoint.get("sha256")) for record in records):
            measured = ", ".join(repr(cost.name) for cost in costs.costs)
            raise UserError(
                f"none of the records was swept with a checkpoint of {str(path)!r} ({measured}): run 'costs' on the "
                "checkpoints of these records"
            )
    return files


def rank_records(
    records: Annotated[Sequence[Path], Option(metavar="RECORD")] = (),
    /,
    *,
    published: Annotated[Sequence[str], Option(metavar="NAME", repeated=True, listed=list_tables)] = (),
    reference: Annotated[str | None, Option(metavar="NAME")] = None,
    costs: Annotated[Sequence[Path], Option(metavar="FILE", repeated=True)] = (),
    by: Annotated[str, Option(choices=(*COLUMNS, ACROSS))] = "corruption",
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
    allow_mixed: bool = False,
) -> None:
    """Rank records by their mean corrupted mIoU.

    Every record is recomputed: its scores from the counts, its intervals from the images, where their counts lie
    beside it.

    Args:
        records: JSON files that 'benchmark' wrote.
        published: show a published table too, ranked by itself.
        reference: name of the row that degradation (mCD, mrCD, mCE) is measured against.
        costs: file that 'costs' wrote: adds what the networks cost; several with one reference stand in one column.
        by: further columns of the table for people; 'data' makes one row of each name, with the scores on every data
            set.
        format: of what is printed.
        output: write the table to this file as well.
        allow_mixed: put different suites or images into one table.

    Raises:
        UserError: there is nothing to rank, or options exclude each other.
    """
    if not records and not published:
        raise UserError("there is nothing to rank: pass records, or --published with the name of a table")
    if by == ACROSS and (published or reference or allow_mixed):
        raise UserError(
            "--by data shows what records say on each data set: leave --published, --reference and --allow-mixed out"
        )
    tables = [read_table(name) for name in dict.fromkeys(published)]
    read = [drop_counts(read_record(path)) for path in remove_duplicates(records)]
    baseline, known = find_reference(reference, read, tables), find_costs(costs, read)
    if by == ACROSS:
        print_and_save(_format_across_data(read, known, format), output)
        return
    rows = make_ranked_rows(read, allow_mixed, baseline, known)
    for table in tables:
        named = reference if any(model.name == reference for model in table.models) else None
        rows += make_published_rows(table, named)
    text = FORMATS[format](rows, tables, known, by)
    print_and_save(text, output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("leaderboard", rank_records, EXAMPLES, argv)
