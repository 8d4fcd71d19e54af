"""Rank records in a table beside published ones, from their files alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.compared_metrics import COMPARED, Metric
from experiments.evaluation.costs import Costs
from experiments.evaluation.published import Table
from experiments.evaluation.ranking import Row, make_published_rows, make_ranked_rows
from experiments.evaluation.record import Record
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.seen import split_by_seen
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv
from experiments.record_files.cost_file import read_all_costs
from experiments.record_files.measured_records import MeasuredRecords, measure_records
from experiments.record_files.published_tables import list_tables, read_table
from experiments.record_files.record_file import remove_duplicates
from experiments.reporting.leaderboard_table import PREFIXES, make_record_table, make_seed_table
from experiments.reporting.published_table import format_published
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json
experiments/results/camvid/imagenet_c/*.json --format csv --output board.csv
experiments/results/camvid/imagenet_c/*.json --reference "FPN mobilenet_v2"
runs/*/record-core.json --costs costs.json --by family
results/camvid/imagenet_c/*.json results/kvasir/imagenet_c/*.json --by data
--published cityscapes_c_segformer_table5 --reference "DLv3+ (MBv2)" --format json
--published semsegbench_2025 --by none
--published tables/mine.csv
"""

ACROSS = "data"
"""The choice in which rows are names and each data set has columns."""


class Board(NamedTuple):
    """What a leaderboard is of."""

    rows: list[Row]  # of records, then of published tables
    metrics: list[Metric]
    tables: list[Table]
    costs: list[Costs]
    by: str
    seen: list[str]  # corruptions that some training has met


def make_board(
    found: MeasuredRecords,
    tables: Sequence[Table] = (),
    costs: Sequence[Costs] = (),
    by: str = "corruption",
    reference: Record | None = None,
    allow_mixed: bool = False,
) -> Board:
    """Rank records, and say what further columns there are; published tables have no rows yet.

    Raises:
        UserError: the records do not compare, and `allow_mixed` is not set.
    """
    seen = found.seen
    rows = make_ranked_rows(found.records, allow_mixed, reference, costs, found.summarise(seen))
    conditions = [condition for record in found.records for condition in record.conditions]
    return Board(rows, found.metrics, [*tables], [*costs], by, split_by_seen(conditions, seen).seen)


def format_markdown(board: Board) -> str:
    """Format Markdown tables in percent, with 95 % intervals: records first, then each published table."""
    records = [row for row in board.rows if row["source"] == "record"]
    parts = []
    if records:
        parts.append(make_record_table(records, board.metrics, board.costs, board.by, board.seen))
        parts.append(make_seed_table(records, board.metrics[0]))
    for table in board.tables:
        shown = [row for row in board.rows if row["source"] == table.name]
        parts.append(format_published(shown, table, board.by != "none"))
    return "\n".join(part for part in parts if part)


FORMATS: dict[str, Callable[[Board], str]] = {
    "markdown": format_markdown,
    "csv": lambda board: as_csv(board.rows),
    "json": lambda board: json.dumps(board.rows, indent=2) + "\n",
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
    metric: Annotated[str | None, Option(choices=COMPARED)] = None,
    empty: Annotated[Empty, Option()] = EMPTY[0],
    by: Annotated[str, Option(choices=(*PREFIXES, ACROSS))] = "corruption",
    only: Annotated[Sequence[str], Option(metavar="NAME", repeated=True)] = (),
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
    allow_mixed: bool = False,
) -> None:
    """Rank records by their corrupted mean: of mIoU, or of the foreground's IoU where classes have a background.

    The floor is the best of one class everywhere and of guessing by frequency. Every record is recomputed: its scores from
    the counts, its intervals from the images, where their counts lie beside it.

    Args:
        records: JSON files that 'benchmark' wrote.
        published: show a published table too, by its name or the path of its CSV, ranked by itself.
        reference: name of the row that degradation (mCD, mrCD, mCE) is measured against.
        costs: file that 'costs' wrote: adds what the networks cost; several with one reference stand in one column.
        metric: that ranks and is shown, instead of the usual ones of the data.
        empty: what a class counts in a mean over images where mask and prediction lack it: 1, nothing, or nothing
            wherever the mask lacks it.
        by: further columns of the table for people; 'data' makes one row of each name, with the scores on every data
            set.
        only: with '--by data', a name that is shown; correlations are over all of them.
        format: of what is printed.
        output: write the table to this file as well.
        allow_mixed: put different suites or images into one table.

    Raises:
        UserError: there is nothing to rank, or options exclude each other.
    """
    if not records and not published:
        raise UserError("there is nothing to rank: pass records, or --published with the name or path of a table")
    if by == ACROSS and (published or reference or allow_mixed):
        raise UserError(
            "--by data shows what records say on each data set: leave --published, --reference and --allow-mixed out"
        )
    if only and by != ACROSS:
        raise UserError("--only goes with --by data: pass the records that are to be shown")
    tables = [read_table(name) for name in dict.fromkeys(published)]
    found = measure_records(remove_duplicates(records), None if metric is None else [metric], empty)
    baseline, known = find_reference(reference, found.records, tables), find_costs(costs, found.records)
    if by == ACROSS:
        print_and_save(_format_across_data(found, known, format, only), output)
        return
    board = make_board(found, tables, known, by, baseline, allow_mixed)
    for table in tables:
        named = reference if any(model.name == reference for model in table.models) else None
        board.rows.extend(make_published_rows(table, named))
    print_and_save(FORMATS[format](board), output)


def _format_across_data(found: MeasuredRecords, costs: list[Costs], form: str, only: Sequence[str]) -> str:
    from experiments.reporting import across_data  # its statistics load slowly

    rows = across_data.make_rows_across_data(found, costs)
    shown = across_data.select_rows(rows, only)
    if form == "markdown":
        return across_data.format_markdown(shown, rows, costs) + across_data.describe_orders(found.records)
    return FORMATS[form](Board(shown, found.metrics, [], costs, ACROSS, []))


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("leaderboard", rank_records, EXAMPLES, argv)
