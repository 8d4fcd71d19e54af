"""Gather records from run folders into one tree, by data, suite and name: what a repository commits."""

import re
from collections import Counter
from pathlib import Path

from experiments.command_line.light_parser import light_parser
from experiments.records.record import Record
from experiments.records.record_file import read_record, read_swept, write_record
from user_error import UserError

EXAMPLES = """
runs/networks_camvid/*/record-imagenet_c_middle.json --output experiments/results
runs/a/record-core.json runs/b/record-core.json --output results
"""


def place_of(record: Record, folder: Path) -> Path:
    """Where a record goes: ``DATA/SUITE/NAME.json``, all fit for the name of a file."""
    parts = [
        re.sub(r"[^\w.+=-]+", "_", text).strip(".") or "_"
        for text in (record.data.name, record.suite.name, record.name)
    ]
    return folder.joinpath(*parts[:2], f"{parts[2]}.json")


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "collect",
        "Gather records with the counts of their images into one tree, DATA/SUITE/NAME.json. Every record is recomputed;\n"
        "one that is there already is replaced. Pictures stay where they are.",
        EXAMPLES,
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="JSON files that 'benchmark' wrote")
    parser.add_argument("--output", type=Path, required=True, help="the folder above all")
    args = parser.parse_args(argv)
    places = [place_of(read_record(path), args.output) for path in args.records]
    place, times = Counter(places).most_common(1)[0]
    if times > 1:
        raise UserError(f"{times} records would become {str(place)!r}: tell them apart by 'benchmark --name'")
    for path, place in zip(args.records, places, strict=True):
        record, images = read_swept(path)  # again: all of them may not fit into memory
        record.pictures = []
        write_record(record, place, images)
        print(place, flush=True)
