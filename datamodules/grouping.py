"""Images that do not stand for themselves: of one patient, or frames of one drive that follow each other."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from user_error import UserError

GROUPING = (
    *("patient", "subject", "case", "person", "volume", "video", "sequence", "scene", "slide", "animal", "site"),
    *("center", "centre", "hospital", "institution", "drive"),
)
"""Columns of ``meta.csv`` whose images belong together, as people call them."""

SEQUENCE, PLACE = "{sequence}", "{place}"
"""What a pattern of names says of an image; ``*`` stands for anything but digits."""

EXAMPLE = "{sequence}_*{place}"

LONGEST = 1000
"""Letters of a name that a pattern reads: the time grows with the square of their number."""


class Grouping(NamedTuple):
    """The unit of each image, or its sequence and its place in it; `None` where each stands for itself."""

    units: list[str] | None = None
    places: list[int] | None = None


def is_grouping_column(name: str) -> bool:
    """Whether a column is called as those are whose images belong together."""
    return name.lower().removesuffix("_id").removesuffix("id").rstrip(" -_") in GROUPING


def find_grouping_columns(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Columns called so, of which a value stands in several rows."""
    seen: dict[str, list[str]] = {}
    for row in rows:
        for column, value in row.items():
            if value and is_grouping_column(column):
                seen.setdefault(column, []).append(value)
    return [column for column, values in seen.items() if len({*values}) < len(values)]


def is_name_pattern(sequence: str) -> bool:
    """Whether a text is a pattern of names, rather than the name of a column."""
    return "{" in sequence or "*" in sequence


def parse_names(pattern: str, names: Sequence[str]) -> Grouping:
    """Sequences and places from the names of images.

    Args:
        pattern: of the complete name, such as ``{sequence}_*{place}``: `SEQUENCE` any text, `PLACE` a number and ``*``
            anything but digits. Without `PLACE` names are in their natural order.
        names: of the images.

    Raises:
        UserError: the pattern lacks its sequence or has a part twice, or a name does not follow it.
    """
    if pattern.count(SEQUENCE) != 1 or pattern.count(PLACE) > 1 or len(pattern) > 200:
        raise UserError(
            f"the pattern {pattern!r} of names must have {SEQUENCE} once, and {PLACE} at most once: write one such as {EXAMPLE!r}"
        )
    long = next((name for name in names if len(name) > LONGEST), None)
    if long is not None:
        raise UserError(f"a name of {len(long)} letters ({long[:40]!r}...) is not read by a pattern: shorten it")
    parts = {SEQUENCE: "(?P<sequence>.+)", PLACE: r"(?<!\d)(?P<place>\d{1,15})", "*": r"\D*"}  # never within a number
    pieces = re.split(r"(\{\w+\}|\*+)", pattern)
    written = "".join(parts.get("*" if part.startswith("*") else part, re.escape(part)) for part in pieces)
    found = [re.fullmatch(written, name) for name in names]
    for name, match in zip(names, found, strict=True):
        if match is None:
            raise UserError(f"the name {name!r} does not follow the pattern {pattern!r}: write it as the names are")
    matches = [match for match in found if match is not None]
    sequences = [match["sequence"] for match in matches]
    if PLACE not in pattern:
        return Grouping(sequences, find_natural_places(names))
    return Grouping(sequences, [int(match["place"]) for match in matches])


def find_natural_places(names: Sequence[str]) -> list[int]:
    """The place of each name in their natural order, in which "2" comes before "10"."""
    parts = [[_make_sort_key(part) for part in re.split(r"(\d+)", name)] for name in names]
    found = [0] * len(names)
    for place, at in enumerate(sorted(range(len(names)), key=lambda at: (parts[at], names[at]))):
        found[at] = place
    return found


def _make_sort_key(part: str) -> tuple[int, str]:
    """Numbers by their value, whatever their length, and texts by their letters."""
    digits = part.lstrip("0")
    return (len(digits), digits) if part.isdecimal() else (0, part)
