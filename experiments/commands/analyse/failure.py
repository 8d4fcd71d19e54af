"""Say how well a network's confidence tells where it is wrong: pixels, and whole images."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.record import Record
from experiments.files.replaceable import print_and_save
from experiments.files.tables import as_csv
from experiments.record_files.record_file import read_swept, remove_duplicates
from experiments.reporting.failure_rows import PARTS, Row, format_markdown, make_rows, measure
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json
experiments/results/kvasir_seg/imagenet_c_middle/*unet*.json --format csv --output failure.csv
runs/unet/record-core.json --by condition
runs/unet/record-core.json runs/ensemble/record-core.json --reference unet
"""

FORMATS: dict[str, Callable[[Sequence[Row], Sequence[Record], str | None], str]] = {
    "markdown": format_markdown,
    "csv": lambda rows, *_: as_csv(rows),
    "json": lambda rows, *_: json.dumps(list(rows), indent=2) + "\n",
}


def detect_failures(
    records: Annotated[list[Path], Option(metavar="RECORD")],
    /,
    *,
    reference: Annotated[str | None, Option(metavar="NAME")] = None,
    by: Annotated[str, Option(choices=PARTS)] = "mean",
    format: Annotated[str, Option(choices=FORMATS)] = "markdown",
    output: Path | None = None,
) -> None:
    """Say how well confidence tells where a network is wrong.

    Of pixels, AUROC, false positives at 95 % true positives and the areas under both precision-recall curves, as the BRAVO
    challenge has them. Of images, the area under the risk-coverage curve of Dice. All with 95 % intervals.

    Args:
        records: JSON files that 'benchmark' wrote, the counts of their images beside them.
        reference: name of the record that others are compared with: adds differences on the same images, with intervals.
        by: a row for clean and one for the mean over corruptions, or one for each condition.
        format: of what is printed.
        output: write the tables to this file as well.

    Raises:
        UserError: no record is called like the reference, or it is of other images or conditions.
    """
    found = [measure(*read_swept(path), by) for path in remove_duplicates(records)]
    baseline = next((one for one in found if one.record.name == reference), None)
    if reference is not None and baseline is None:
        known = ", ".join(repr(one.record.name) for one in found)
        raise UserError(f"no record is called {reference!r}: pass as --reference one of {known}")
    rows = [row for one in found for row in make_rows(one, None if one is baseline else baseline)]
    print_and_save(FORMATS[format](rows, [one.record for one in found], reference), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("failure", detect_failures, EXAMPLES, argv)
