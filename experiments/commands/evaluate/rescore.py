"""State the intervals of records anew, over the images, patients or frames that are independent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from tqdm import tqdm

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.record import Record
from experiments.evaluation.scoring import find_intervals, make_cells, make_summary
from experiments.files.tables import format_edges, format_percent
from experiments.record_files.record_file import read_swept, write_record
from safe_files.csv_file import read_csv
from user_error import UserError

EXAMPLES = """
runs/camvid_fpn/record-core.json --sequence '{sequence}_*{place}'
results/*.json --unit patient --meta /data/lgg/meta.csv
results/*.json --sequence drive --meta /data/drives/meta.csv
results/*.json --independent

No image is segmented again: intervals follow from the counts that a record holds of each image."""


def read_column(meta: Path | None, column: str, record: Record, ids: list[str]) -> list[str]:
    """The value of a column of ``meta.csv`` for each image of a record.

    Raises:
        UserError: no file, no such column, or an image without a value.
    """
    if meta is None:
        raise UserError(f"{column!r} is a column of meta.csv: pass that file as --meta")
    columns, rows = read_csv(meta, "pass the meta.csv of the data")
    if not {column, "stem"} <= {*columns}:
        raise UserError(f"{str(meta)!r} has the columns {', '.join(columns)}: it needs 'stem' and {column!r}")
    known: Mapping[str, str] = {
        row["stem"]: row[column] for row in rows if row.get("split", record.data.split) == record.data.split
    }
    missing = next((name for name in ids if not known.get(name)), None)
    if missing is not None:
        raise UserError(f"{str(meta)!r} has no {column!r} for the image {missing!r} of {record.name!r}: add it")
    return [known[name] for name in ids]


def rescore_records(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    unit: str | None = None,
    sequence: str | None = None,
    independent: bool = False,
    meta: Path | None = None,
) -> None:
    """State the intervals of records anew, over what is independent in their images, and write them where they are.

    Frames of a drive and slices of a patient err alike: intervals over single images are then too narrow. Scores and counts
    stay as they are.

    Args:
        records: JSON files that 'benchmark' wrote.
        unit: column of meta.csv whose images belong together, such as the patient.
        sequence: a pattern of the names, such as {sequence}_*{place}, or a column of meta.csv, by which images follow each
            other; intervals are then over blocks of consecutive ones.
        independent: each image for itself.
        meta: the meta.csv of the data.

    Raises:
        UserError: not one of unit, sequence and independent is given, or the images do not have it.
    """
    from datamodules.grouping import Grouping, find_natural_places, is_name_pattern, parse_names  # imports torch

    if (unit is not None) + (sequence is not None) + independent != 1:
        raise UserError("say what is independent: pass one of --unit, --sequence and --independent")
    for path in tqdm(records, desc="rescore", unit="record", disable=len(records) == 1):
        record, images = read_swept(path)
        grouping = Grouping()
        if unit is not None:
            grouping = Grouping(read_column(meta, unit, record, images.ids))
        elif sequence is not None and is_name_pattern(sequence):
            grouping = parse_names(sequence, images.ids)
        elif sequence is not None:
            grouping = Grouping(read_column(meta, sequence, record, images.ids), find_natural_places(images.ids))
        images = images._replace(units=grouping.units, places=grouping.places)
        record.data = record.data.model_copy(update={"unit": unit, "sequence": sequence})
        bounds, cells = find_intervals(record.conditions, images, record.suite, record.left_out)
        record.cells = make_cells(record.conditions, record.totals, cells)
        units = record.data.resampled_units
        record.summary = make_summary(record.conditions, record.totals, record.suite, bounds, units, record.left_out)
        write_record(record, path, images)
        edges = format_edges(record.summary.intervals["clean_miou"].edges)
        clean = f"{format_percent(record.summary.clean_miou)} % {edges}".rstrip()
        tqdm.write(f"{path}: over {units}, clean mIoU {clean}")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("rescore", rescore_records, EXAMPLES, argv)
