"""Which records may stand side by side, and in what those that may not differ."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from experiments.evaluation.order import describe_order
from experiments.evaluation.protocol import find_protocol_difference
from experiments.evaluation.record import Manifest, Record

CORRUPTION = "with corruption"
PROTOCOL = "under different protocols"


def find_difference(one: Record, other: Record) -> str | None:
    """Why the scores of two records do not compare, in words; `None` if they do."""
    if one.suite_hash != other.suite_hash:
        what = find_manifest_difference(one.suite, other.suite)
        return what if what.startswith((CORRUPTION, PROTOCOL)) else f"with different suite manifests ({what})"
    if one.classes != other.classes:
        return "for different classes"
    if one.data.hash != other.data.hash:
        return f"on different images ({one.data.name} {one.data.split}, {other.data.name} {other.data.split})"
    if one.left_out != other.left_out:
        corruptions = ", ".join(sorted({*one.left_out} ^ {*other.left_out}))
        return f"with other means (one of them leaves out {corruptions}, which did nothing to its images)"
    return None


def group_comparable(records: Sequence[Record]) -> list[list[int]]:
    """Places of the records whose scores compare, in the order of the first of each group."""
    groups: list[list[int]] = []
    for place, record in enumerate(records):
        own = next((group for group in groups if find_difference(records[group[0]], record) is None), None)
        if own is None:
            groups.append([place])
        else:
            own.append(place)
    return groups


def find_manifest_difference(one: Manifest, other: Manifest) -> str:
    """The first thing in which two manifests differ, in words."""
    left, right = one.model_dump(), other.model_dump()
    if setting := find_protocol_difference(left, right):
        return f"{PROTOCOL} ({setting})"
    for key in (key for key in (left | right) if left.get(key) != right.get(key)):
        if key == "order":
            return f"{CORRUPTION} {describe_order(left)} and {describe_order(right)}"
        if key != "conditions":
            return f"{key} {left.get(key)} and {right.get(key)}"
        entries: Iterable[tuple[dict[str, Any], dict[str, Any]]] = zip_longest(left[key], right[key], fillvalue={})
        return " and ".join(
            _describe_condition(entry) for entry in next(pair for pair in entries if pair[0] != pair[1])
        )
    return "nothing"


def _describe_condition(entry: dict[str, Any]) -> str:
    if not entry:
        return "no further condition"
    parameters = ", ".join(f"{key} {value}" for key, value in entry.get("parameters", {}).items())
    return f"{entry.get('corruption')} at severity {entry.get('severity')}" + (f" ({parameters})" if parameters else "")
