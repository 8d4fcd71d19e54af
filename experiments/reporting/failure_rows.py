"""Rows and tables of failure detection: how well confidence tells wrong pixels, and badly segmented images."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from experiments.evaluation.comparison import require_comparable
from experiments.evaluation.failures import (
    Bounded,
    Estimate,
    estimate_pixel_scores,
    list_conditions,
    list_parts,
    summarise_pixel_scores,
)
from experiments.evaluation.image_failures import Selection, score_selections
from experiments.evaluation.images import Images
from experiments.evaluation.record import Record, drop_counts
from experiments.evaluation.scores.foreground import list_foreground
from experiments.files.tables import format_change, format_interval, format_percent, make_markdown_table

Row = dict[str, Any]

PIXELS = {
    "auroc": "AUROC",
    "fpr95": "FPR@95",
    "aupr_error": "AUPR-Error",
    "aupr_success": "AUPR-Success",
    "aurc": "AURC",
    "ece": "ECE",
    "bravo_semantic": "BRAVO semantic",
}
"""Scores of pixels by name, with their titles."""

IMAGES = {"dice_aurc": "AURC", "dice_excess_aurc": "e-AURC"}
"""Those of images that have intervals."""

CHANGE = "_difference"
"""After the name of a score: by how much it is above that of the reference."""

PARTS: dict[str, Callable[[Record], dict[str, list[int]]]] = {"mean": list_parts, "condition": list_conditions}
"""What rows may stand for: clean and the mean over corruptions, or each condition."""


class Measured(NamedTuple):
    """What a record scores, with what differences in pairs need."""

    record: Record
    ids: list[str]
    parts: dict[str, list[int]]
    pixels: dict[str, Estimate]
    images: dict[tuple[str, str], Selection]


def measure(record: Record, images: Images, by: str) -> Measured:
    """Score the pixels of a record, and its images by each confidence that it has.

    Args:
        record: of the sweep.
        images: its counts.
        by: a key of `PARTS`.
    """
    parts = PARTS[by](record)
    pixels, selections = estimate_pixel_scores(record, images), score_selections(record, images, parts)
    return Measured(drop_counts(record), images.ids, parts, pixels, selections)


def make_rows(one: Measured, reference: Measured | None = None) -> list[Row]:
    """Flat rows of a record: of its pixels, then of its images by each confidence.

    Args:
        one: of the record.
        reference: of another one, from which there are differences too.

    Raises:
        UserError: the reference is of other images or conditions.
    """
    record = one.record
    shared = {"name": record.name, "data": record.data.name, "suite": record.suite.title}
    changes: dict[str, dict[str, Bounded]] = {}
    if reference is not None:
        require_comparable(reference.record, record, reference.ids, one.ids)
        changes = summarise_pixel_scores(record, one.pixels, one.parts, reference.pixels)
    rows: list[Row] = []
    for part, numbers in summarise_pixel_scores(record, one.pixels, one.parts).items():
        found = {key: value for name in PIXELS if name in numbers for key, value in _flatten(name, numbers[name])}
        for name in (name for name in PIXELS if name in changes.get(part, {})):
            found |= dict(_flatten(f"{name}{CHANGE}", changes[part][name]))
        rows.append({**shared, "of": "pixels", "condition": part, **found})
    for key, selection in one.images.items():
        row = {**shared, "of": "images", "condition": key[0], "confidence": key[1], "images": selection.images}
        row |= dict([*_flatten("dice_aurc", selection.area), *_flatten("dice_excess_aurc", selection.excess)])
        row |= {"dice_optimal_aurc": selection.optimal, "dice_random_aurc": selection.random}
        if reference is not None and key in reference.images:
            for name, change in zip(IMAGES, selection.subtract(reference.images[key]), strict=True):
                row |= dict(_flatten(f"{name}{CHANGE}", change))
        rows.append(row)
    return rows


def _flatten(name: str, number: Bounded) -> list[tuple[str, float | None]]:
    return [(name, number.value), (f"{name}_low", number.low), (f"{name}_high", number.high)]


def format_markdown(rows: Sequence[Row], records: Sequence[Record], reference: str | None = None) -> str:
    """Two tables in percent, two of differences where there is a reference, and what they are of."""
    pixels = [row for row in rows if row["of"] == "pixels"]
    images = [row for row in rows if row["of"] == "images"]
    parts = [
        "Pixels: is the softmax's maximum higher where the prediction is right?\n",
        make_markdown_table(
            ["name", "condition", *PIXELS.values()],
            [[row["name"], row["condition"], *(_format(row, name) for name in PIXELS)] for row in pixels],
            left=(0, 1),
        ),
    ]
    if images:
        titles = ["name", "condition", "confidence", "images", "AURC", "optimal", "random", "e-AURC"]
        cells = [
            [
                row["name"],
                row["condition"],
                row["confidence"],
                str(row["images"]),
                _format(row, "dice_aurc"),
                format_percent(row["dice_optimal_aurc"]),
                format_percent(row["dice_random_aurc"]),
                _format(row, "dice_excess_aurc"),
            ]
            for row in images
        ]
        parts += [
            "Images: is the confidence higher where Dice is?\n",
            make_markdown_table(titles, cells, left=(0, 1, 2)),
        ]
    parts += _make_change_tables(rows, reference)
    lacking = [record.name for record in records if record.name not in {row["name"] for row in images}]
    if lacking:
        names = ", ".join(dict.fromkeys(lacking))
        parts.append(f"No confidence of single images was counted for {names}: sweep anew with 'benchmark'.\n")
    return "\n".join([*parts, _describe(records, bool(images))])


def _format(row: Row, name: str) -> str:
    value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    return format_interval(value, low, high)


def _make_change_tables(rows: Sequence[Row], reference: str | None) -> list[str]:
    """Tables of differences from the record of that name; none where there is none."""
    tables = []
    for kind, titles in (("pixels", PIXELS), ("images", IMAGES)):
        marks = ["name", "condition"] + ["confidence"] * (kind == "images")
        cells = [
            [*(row[mark] for mark in marks), *(_format_change(row, f"{name}{CHANGE}") for name in titles)]
            for row in rows
            if row["of"] == kind and row["name"] != reference and any(f"{name}{CHANGE}" in row for name in titles)
        ]
        if cells:
            tables.append(f"{kind.capitalize()}: differences from {reference}, in pairs, in points\n")
            tables.append(make_markdown_table([*marks, *titles.values()], cells, left=range(len(marks))))
    return tables


def _format_change(row: Row, name: str) -> str:
    value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    return format_interval(value, low, high, format_change)


def _describe(records: Sequence[Record], images: bool) -> str:
    units = dict.fromkeys(
        f"{record.data.resampled_units} ({record.data.name}, {record.data.images} images, suite {record.suite.title})"
        for record in records
    )
    note = (
        f"In percent, with 95 % intervals (jackknife t) over {'; '.join(units)}. Low is good of FPR@95, AURC, e-AURC and ECE. Of "
        "pixels, corrupted is the mean over corruptions of the mean over their severities, of BRAVO's the harmonic one over "
        "conditions"
    )
    if images:
        classes = dict.fromkeys(name for record in records for name in _list_background(record))
        without = f" without {', '.join(classes)}" if classes else ""
        note += f"; of images, corrupted are those of all its conditions together. Risk is 1 less an image's mean Dice{without}"
    return f"{note}.\n"


def _list_background(record: Record) -> list[str]:
    foreground = list_foreground(record.classes)
    return [name for place, name in enumerate(record.classes) if place not in foreground]
