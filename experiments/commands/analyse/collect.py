"""Gather records from run folders and from others into one tree, by data, suite and name: what a repository commits."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from experiments.command_line.verb_parser import Option, call_verb
from experiments.evaluation.record import Record
from experiments.files.printable import escape_controls
from experiments.record_files.record_archive import unpack_records
from experiments.record_files.record_checks import WRONG, list_checks
from experiments.record_files.record_file import (
    is_record,
    open_record,
    parse_record,
    recompute,
    remove_duplicates,
    write_record,
    write_record_alone,
)
from experiments.record_files.record_tree import make_record_path
from user_error import UserError

EXAMPLES = """
runs/networks_camvid/*/record-imagenet_c_middle.json --output experiments/results
stranger.json submission.zip --output results
runs/a/record-core.json --output results --replace
"""

LONGEST_NAME = 200

Verdict = Literal["taken", "already there", "refused", "wrong"]


class Found(NamedTuple):
    """A record that was handed over."""

    given: str  # as the user named it
    path: Path


class Outcome(NamedTuple):
    """What became of a record."""

    verdict: Verdict
    why: str


def find_records(paths: list[Path], stack: ExitStack) -> Iterator[Found]:
    """The records among files and zips.

    Raises:
        UserError: there is no such file, or a zip cannot be read or holds no record.
    """
    for path in remove_duplicates(paths):
        if path.suffix.lower() != ".zip":
            yield Found(str(path), path)
            continue
        if not path.is_file():
            raise UserError(f"there is no {str(path)!r}: pass records, or a zip of them")
        inside = [one for one in stack.enter_context(unpack_records(path)) if is_record(one)]
        if not inside:
            raise UserError(f"{str(path)!r} holds no record: pass a zip of what 'benchmark' wrote")
        yield from (Found(f"{path} ({one.name})", one) for one in inside)


def require_names(record: Record) -> None:
    """Refuse names that are made to deceive whoever reads them.

    Raises:
        UserError: a name holds control characters or turns the direction of text, or is longer than a line.
    """
    for what, name in (("name", record.name), ("data", record.data.name), ("suite", record.suite.name)):
        if escape_controls(name) != name or "\n" in name or "\t" in name or not 0 < len(name.strip()) <= LONGEST_NAME:
            raise UserError(
                f"its {what} is {name[:LONGEST_NAME]!r}: a name is a line of 1 to {LONGEST_NAME} printable letters"
            )


def inspect(found: Found) -> Record | Outcome:
    """A record that may be taken, or why not.

    Raises:
        UserError: it is no record.
    """
    record = parse_record(found.path)
    try:
        images = recompute(record, found.path)
        require_names(record)
    except UserError as error:
        return Outcome("wrong", str(error))
    wrong = next((check for check in list_checks(record, images) if check.state == "wrong"), None)
    return record if wrong is None else Outcome("wrong", wrong.why)


def find_places(records: list[Found], output: Path) -> tuple[dict[Found, Path], dict[Found, Outcome]]:
    """The place of each record that is right, and the outcome of the others.

    Raises:
        UserError: two would become one file.
    """
    places: dict[Found, Path] = {}
    outcomes: dict[Found, Outcome] = {}
    taken: dict[str, Found] = {}
    for found in records:
        inspected = inspect(found)
        if isinstance(inspected, Outcome):
            outcomes[found] = inspected
            continue
        place = make_record_path(inspected, output)
        other = taken.setdefault(str(place).lower(), found)  # some file systems do not tell cases apart
        if other is found:
            places[found] = place
        elif is_same(found.path, other.path):
            outcomes[found] = Outcome("already there", f"it is {other.given}")
        else:
            raise UserError(
                f"{other.given} and {found.given} would become {str(place)!r}: tell them apart by 'benchmark --name'"
            )
    return places, outcomes


def is_same(one: Path, other: Path) -> bool:
    """Whether two files state the same sweep of the same network."""
    left, right = (parse_record(path) for path in (one, other))
    kept = ("name", "created", "classes", "suite_hash", "data", "checkpoint", "cells")
    return all(getattr(left, key) == getattr(right, key) for key in kept)


def take(found: Found, place: Path, output: Path, replace: bool) -> Outcome:
    """Put a record into its place."""
    if not place.parent.resolve().is_relative_to(output.resolve()):
        return Outcome("refused", f"{place.parent} leads out of {output}: remove the link")
    there, lacking = place.is_file(), not place.with_suffix(".npz").is_file()
    record, images = open_record(found.path)  # read again, since all of them together may not fit into memory
    if there and not replace:
        if not is_same(found.path, place):
            return Outcome("refused", f"another record of this name lies at {place}: pass --replace, or another --name")
        if images is None or not lacking:
            return Outcome("already there", str(place))
    record.pictures = []
    if images is None:
        write_record_alone(record, place)
        return Outcome("taken", f"{place}, without the counts of its images: its intervals are as stated")
    write_record(record, place, images)
    return Outcome("taken", str(place))


def collect_records(
    records: Annotated[list[Path], Option(metavar="RECORD")], /, *, output: Path, replace: bool = False
) -> None:
    """Gather records with the counts of their images into one tree, DATA/SUITE/NAME.json, and say what became of each.

    Files may be of anybody: every number is recomputed, and a record that does not agree with itself is not taken.
    Pictures stay where they are.

    The exit status is 0 where every record lies in the tree afterwards, 3 where one is wrong, 2 where one was refused
    otherwise.

    Args:
        records: JSON files that 'benchmark' wrote, with or without the counts of their images beside them, or zips of them.
        output: the folder above all.
        replace: another record of the same data, suite and name.

    Raises:
        UserError: a file is no record, or two would become one file; or a record of that name is there.
        SystemExit: a record is wrong.
    """
    with ExitStack() as stack:
        every = list(find_records(records, stack))
        places, outcomes = find_places(every, output)
        for found in every:
            if found in places:
                outcomes[found] = take(found, places[found], output, replace)
            print(f"{found.given}: {outcomes[found].verdict}: {outcomes[found].why}", flush=True)
    verdicts = [outcome.verdict for outcome in outcomes.values()]
    if "wrong" in verdicts:
        raise SystemExit(WRONG)
    if "refused" in verdicts:
        raise UserError(f"{verdicts.count('refused')} of {len(every)} records were refused: see above")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("collect", collect_records, EXAMPLES, argv)
