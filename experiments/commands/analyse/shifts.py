"""Show clean, corrupted and real-shift scores of checkpoints side by side."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.shift_scores import ShiftScore
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv
from experiments.reporting.shift_table import format_markdown, make_rows, read_shift_scores

EXAMPLES = """
runs/cityscapes/record-imagenet_c.json runs/cityscapes/record-real_shifts-acdc.json
runs/*/record-imagenet_c.json runs/*/record-real_shifts-*.json --format csv --output shifts.csv
"""

FORMATS: dict[str, Callable[[Sequence[ShiftScore]], str]] = {
    "markdown": format_markdown,
    "csv": lambda scores: as_csv(make_rows(scores)),
    "json": lambda scores: json.dumps(make_rows(scores), indent=2) + "\n",
}


def show_shifts(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Show scores on the own data of checkpoints, corrupted, and on the real shifts of other data side by side.

    Of each checkpoint, the record of a sweep with corruptions, and those that 'benchmark --shift' wrote. A record of a
    checkpoint whose own is missing is refused, and so are records of different images or conditions.

    Args:
        records: JSON files that 'benchmark' wrote.
        format: of what is printed.
        output: write the table to this file as well.

    Raises:
        UserError: records do not belong together.
    """
    print_and_save(FORMATS[format](read_shift_scores(records)), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("shifts", show_shifts, EXAMPLES, argv)
