"""Rank records in a table: a pure function of their files."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.files import whole_file
from experiments.light_parser import light_parser
from experiments.record import Record, read_record
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json
experiments/results/camvid/*.json --format csv --output board.csv
"""


def row(record: Record) -> dict[str, Any]:
    """The flat row of a record."""
    summary = record.summary
    flat: dict[str, Any] = {"name": record.name, "data": record.data.name, "images": record.data.images}
    for key in ("clean_miou", "mean_corrupted_miou", "retention"):
        flat[key] = getattr(summary, key)
        flat[f"{key}_low"], flat[f"{key}_high"] = summary.intervals[key]
    flat.update({f"miou_{name}": value for name, value in summary.corruptions.items()})
    return {**flat, "suite": f"{record.suite.name} v{record.suite.version}", "suite_hash": record.suite_hash}


def ranked(records: Sequence[Record], allow_mixed: bool = False) -> list[dict[str, Any]]:
    """Rows by falling mean corrupted mIoU.

    Raises:
        UserError: the records were not made under the same conditions on the same images, and `allow_mixed` is not set.
    """
    for what, of in (
        ("suite manifests", lambda record: record.suite_hash),
        ("images", lambda record: record.data.hash),
    ):
        kinds: dict[str, str] = {}
        for record in records:
            kinds.setdefault(of(record), record.name)
        if len(kinds) > 1 and not allow_mixed:
            names = " and ".join(map(repr, list(kinds.values())[:2]))
            raise UserError(
                f"{names} were swept with different {what}, so their scores do not rank against each other: rank them "
                "apart, or pass --allow-mixed to see them in one table all the same"
            )
    order = sorted(records, key=lambda record: -(record.summary.mean_corrupted_miou or -1.0))
    return [{"rank": place, **row(record)} for place, record in enumerate(order, 1)]


def percent(value: float | None) -> str:
    """A share in percent, or a dash."""
    return "-" if value is None else f"{100 * value:.1f}"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table for people: percent, with 95 % intervals."""

    def score(entry: dict[str, Any], key: str) -> str:
        return f"{percent(entry[key])} [{percent(entry[f'{key}_low'])}, {percent(entry[f'{key}_high'])}]"

    corruptions = list(dict.fromkeys(key for entry in rows for key in entry if key.startswith("miou_")))
    titles = ["#", "name", "clean mIoU", "corrupted mIoU", "retention"]
    titles += [key.removeprefix("miou_").replace("_", " ") for key in corruptions]
    lines = ["| " + " | ".join(titles) + " |", "|" + "|".join(["---:", "---"] + ["---:"] * (len(titles) - 2)) + "|"]
    for entry in rows:
        cells = [str(entry["rank"]), str(entry["name"]).replace("|", "\\|")]
        cells += [score(entry, key) for key in ("clean_miou", "mean_corrupted_miou", "retention")]
        cells += [percent(entry.get(key)) for key in corruptions]
        lines.append("| " + " | ".join(cells) + " |")
    if rows:
        kinds = sorted({f"{entry['data']}, {entry['images']} images, suite {entry['suite']}" for entry in rows})
        lines += ["", f"In percent, with 95 % bootstrap intervals over images ({'; '.join(kinds)})."]
    return "\n".join(lines) + "\n"


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Comma-separated values at full precision."""
    fields = list(dict.fromkeys(key for entry in rows for key in entry))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


FORMATS: dict[str, Callable[[Sequence[dict[str, Any]]], str]] = {
    "markdown": markdown,
    "csv": as_csv,
    "json": lambda rows: json.dumps(list(rows), indent=2) + "\n",
}


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "leaderboard",
        "Rank records by their mean corrupted mIoU. Scores are recomputed from the counts; intervals are as stated.",
        EXAMPLES,
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="JSON files that 'benchmark' wrote")
    parser.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown")
    parser.add_argument("--output", type=Path, help="write the table to this file as well")
    parser.add_argument("--allow-mixed", action="store_true", help="put different suites or images into one table")
    args = parser.parse_args(argv)
    text = FORMATS[args.format](ranked([read_record(path) for path in args.records], args.allow_mixed))
    print(text, end="")
    if args.output:
        with whole_file(args.output) as file:
            file.write(text)
