"""Report a sweep as the BRAVO challenge or ACDC does."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.challenges import Challenge, report_acdc, report_bravo
from experiments.evaluation.comparable import find_difference
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record, drop_counts
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv
from experiments.record_files.record_file import read_swept, remove_duplicates
from experiments.reporting.challenge_table import Reported, format_acdc, format_bravo, make_rows
from user_error import UserError

EXAMPLES = """
runs/*/record-real_shifts-bravo.json
runs/*/record-real_shifts-acdc.json --of acdc
runs/unet/record-real_shifts-bravo.json --format json --output bravo.json
"""

REPORTS: dict[str, Callable[[Record, Images], Challenge]] = {"bravo": report_bravo, "acdc": report_acdc}
TABLES: dict[str, Callable[[Sequence[Reported]], str]] = {"bravo": format_bravo, "acdc": format_acdc}
FORMATS = ("markdown", "csv", "json")


def report_challenge(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    of: Annotated[str, Option(choices=REPORTS)] = "bravo",
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Report sweeps over the data of a benchmark as it does.

    BRAVO: its semantic and out-of-distribution metrics of each subset, their harmonic means, and its index. ACDC: IoU and
    mIoU in fog, at night, in rain, in snow, and over all. All with 95 % intervals.

    Args:
        records: JSON files that 'benchmark' wrote, the counts of their images beside them.
        of: the benchmark.
        format: of what is printed.
        output: write the tables to this file as well.

    Raises:
        UserError: a record is of other data or of other images, or its counts do not lie beside it.
    """
    found: list[Reported] = []
    first: Record | None = None
    for path in remove_duplicates(records):
        record, images = read_swept(path)
        first = first or drop_counts(record)
        if difference := find_difference(first, record):
            raise UserError(f"{first.name!r} and {record.name!r} were swept {difference}: sweep them alike")
        found.append(Reported(record.name, REPORTS[of](record, images)))
    tables = {"csv": lambda: as_csv(make_rows(found)), "json": lambda: json.dumps(make_rows(found), indent=2) + "\n"}
    print_and_save(tables.get(format, lambda: TABLES[of](found))(), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("challenge", report_challenge, EXAMPLES, argv)
