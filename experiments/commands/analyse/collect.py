"""Gather records from run folders into one tree, by data, suite and name: what a repository commits."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from experiments.command_line.verb_parser import Option, call_verb
from experiments.record_files.record_file import read_record, read_swept, write_record
from experiments.record_files.record_tree import make_record_path
from user_error import UserError

EXAMPLES = """
runs/networks_camvid/*/record-imagenet_c_middle.json --output experiments/results
runs/a/record-core.json runs/b/record-core.json --output results
"""


def collect_records(records: Annotated[list[Path], Option(metavar="RECORD")], /, *, output: Path) -> None:
    """Gather records with the counts of their images into one tree, DATA/SUITE/NAME.json.

    Every record is recomputed; one that is there already is replaced. Pictures stay where they are.

    Args:
        records: JSON files that 'benchmark' wrote.
        output: the folder above all.

    Raises:
        UserError: two would become one file.
    """
    places = [make_record_path(read_record(path), output) for path in records]
    place, times = Counter(places).most_common(1)[0]
    if times > 1:
        raise UserError(f"{times} records would become {str(place)!r}: tell them apart by 'benchmark --name'")
    for path, place in zip(records, places, strict=True):
        record, images = read_swept(path)  # read again, since all of them together may not fit into memory
        record.pictures = []
        write_record(record, place, images)
        print(place, flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("collect", collect_records, EXAMPLES, argv)
