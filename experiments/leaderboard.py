"""Rank records in a table: a pure function of their files."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from experiments.files import whole_file
from experiments.light_parser import light_parser
from experiments.record import Manifest, Record
from experiments.record_file import read_record
from user_error import UserError

EXAMPLES = """
runs/*/record-core.json
experiments/results/camvid/imagenet_c/*.json --format csv --output board.csv
"""


def row(record: Record) -> dict[str, Any]:
    """The flat row of a record."""
    summary = record.summary
    flat: dict[str, Any] = {"name": record.name, "data": record.data.name, "images": record.data.images}
    for key in ("clean_miou", "mean_corrupted_miou", "retention"):
        flat[key] = getattr(summary, key)
        flat[f"{key}_low"], flat[f"{key}_high"] = summary.intervals[key].bca
    flat.update({f"miou_{name}": value for name, value in {**summary.shifts, **summary.corruptions}.items()})
    return {**flat, "suite": f"{record.suite.name} v{record.suite.version}", "suite_hash": record.suite_hash}


def ranked(records: Sequence[Record], allow_mixed: bool = False) -> list[dict[str, Any]]:
    """Rows by falling mean corrupted mIoU; by clean mIoU where a suite has real shifts alone.

    Raises:
        UserError: the records were not made under the same conditions on the same images, and `allow_mixed` is not set.
    """
    for one, other in pairwise(records):
        if allow_mixed:
            break
        if one.suite_hash != other.suite_hash:
            why = f"with different suite manifests ({manifest_difference(one.suite, other.suite)})"
        elif one.data.hash != other.data.hash:
            why = f"on different images ({one.data.name} {one.data.split}, {other.data.name} {other.data.split})"
        else:
            continue
        raise UserError(
            f"{one.name!r} and {other.name!r} were swept {why}, so their scores do not rank against each other: rank "
            "them apart, or pass --allow-mixed to see them in one table all the same"
        )
    order = sorted(records, key=lambda record: -_merit(record))
    return [{"rank": place, **row(record)} for place, record in enumerate(order, 1)]


def manifest_difference(one: Manifest, other: Manifest) -> str:
    """The first thing in which two manifests differ, in words."""
    left, right = one.model_dump(), other.model_dump()
    for key in (key for key in (left | right) if left.get(key) != right.get(key)):
        if key != "conditions":
            return f"{key} {left.get(key)} and {right.get(key)}"
        entries: Iterable[tuple[dict[str, Any], dict[str, Any]]] = zip_longest(left[key], right[key], fillvalue={})
        return " and ".join(_condition(entry) for entry in next(pair for pair in entries if pair[0] != pair[1]))
    return "nothing"


def _condition(entry: dict[str, Any]) -> str:
    if not entry:
        return "no further condition"
    parameters = ", ".join(f"{key} {value}" for key, value in entry.get("parameters", {}).items())
    return f"{entry.get('corruption')} at severity {entry.get('severity')}" + (f" ({parameters})" if parameters else "")


def _merit(record: Record) -> float:
    scores = (record.summary.mean_corrupted_miou, record.summary.clean_miou)
    return next((score for score in scores if score is not None), -1.0)


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
