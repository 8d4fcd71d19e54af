"""Rows and tables of failure detection: how well confidence tells wrong pixels, and badly segmented images."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.evaluation.failures import Bounded, list_conditions, list_parts, summarise_pixel_scores
from experiments.evaluation.image_failures import score_selections
from experiments.evaluation.record import Images, Record
from experiments.evaluation.scores.foreground import list_foreground
from experiments.files.tables import format_interval, format_percent, make_markdown_table

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

PARTS: dict[str, Callable[[Record], dict[str, list[int]]]] = {"mean": list_parts, "condition": list_conditions}
"""What rows may stand for: clean and the mean over corruptions, or each condition."""


def make_rows(record: Record, images: Images, by: str) -> list[Row]:
    """Flat rows of a record: of its pixels, then of its images by each confidence that it has.

    Args:
        record: of the sweep.
        images: its counts.
        by: a key of `PARTS`.
    """
    parts = PARTS[by](record)
    shared = {"name": record.name, "data": record.data.name, "suite": f"{record.suite.name} v{record.suite.version}"}
    rows: list[Row] = []
    for part, numbers in summarise_pixel_scores(record, images, parts).items():
        found = {key: value for name in PIXELS if name in numbers for key, value in _flatten(name, numbers[name])}
        rows.append({**shared, "of": "pixels", "condition": part, **found})
    for (part, confidence), one in score_selections(record, images, parts).items():
        found = dict([*_flatten("dice_aurc", one.area), *_flatten("dice_excess_aurc", one.excess)])
        row = {**shared, "of": "images", "condition": part, "confidence": confidence, "images": one.images, **found}
        rows.append({**row, "dice_optimal_aurc": one.optimal, "dice_random_aurc": one.random})
    return rows


def _flatten(name: str, number: Bounded) -> list[tuple[str, float | None]]:
    return [(name, number.value), (f"{name}_low", number.low), (f"{name}_high", number.high)]


def format_markdown(rows: Sequence[Row], records: Sequence[Record]) -> str:
    """Two tables in percent, and what they are of."""
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
    lacking = [record.name for record in records if record.name not in {row["name"] for row in images}]
    if lacking:
        names = ", ".join(dict.fromkeys(lacking))
        parts.append(f"No confidence of single images was counted for {names}: sweep anew with 'benchmark'.\n")
    return "\n".join([*parts, _describe(records, bool(images))])


def _format(row: Row, name: str) -> str:
    value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    return format_percent(value) if low is None else format_interval(value, low, high)


def _describe(records: Sequence[Record], images: bool) -> str:
    units = dict.fromkeys(
        f"{record.data.resampled_units} ({record.data.name}, {record.data.images} images, suite "
        f"{record.suite.name} v{record.suite.version})"
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
