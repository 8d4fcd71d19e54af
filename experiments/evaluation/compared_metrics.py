"""What records are summarised and compared by: every score that adds up over images, also of further tasks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.evaluation.scores.base import MeanScore, Unit, identity
from experiments.evaluation.scores.foreground import (
    EMPTY,
    OVERLAPS,
    Empty,
    Overlap,
    has_foreground,
    make_foreground_ratio,
    make_image_ratio,
)
from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.scores.tasks import TASK
from user_error import UserError

WORDS = {
    "miou": "mIoU",
    "file_miou": "mIoU at the files' size",
    "nll": "NLL",
    "ece": "ECE",
    "foreground_iou": "foreground IoU",
    "foreground_dice": "foreground Dice",
    "miou_inside": "mIoU inside",
    "miou_outside": "mIoU outside",
    "image_miou": "mIoU per image",
    "image_dice": "Dice per image",
    "image_foreground_iou": "foreground IoU per image",
    "image_foreground_dice": "foreground Dice per image",
}


class Metric(NamedTuple):
    """A score of single images' counts."""

    name: str
    ratio: Callable[[Images], Ratio]
    unit: Unit
    lower_is_better: bool
    scale: Callable[[np.ndarray], np.ndarray] = identity
    task: str | None = None  # a further one that it is the score of
    of_foreground: bool = False  # it leaves the background out
    of_classes: bool = False  # it follows from the pixels of each class alone, so that it has a floor
    of_images: bool = False  # a mean over images
    empty: Empty | None = None  # what a class counts in it where mask and prediction lack it

    @property
    def title(self) -> str:
        """How people call it."""
        return WORDS.get(self.name, self.name.replace("_", " ").replace(".", " "))

    @property
    def convention(self) -> str:
        """What a mean over images does with empty masks, as a sentence; empty for other metrics."""
        words = {"one": "1", "leave-out": "nothing", "leave-out-empty-masks": "nothing, wherever the mask lacks it"}
        if self.empty is None:
            return ""
        return f" A class that mask and prediction of an image lack counts {words[self.empty]} ({self.title})."

    def require(self, record: Record) -> None:
        """Refuse a record that has no such score.

        Raises:
            UserError: its classes have no background.
        """
        if self.of_foreground and not has_foreground(record.classes):
            raise UserError(
                f"{record.name!r} has no {self.title}: its {len(record.classes)} classes have no background (the first is "
                f"{record.classes[0]!r}); take miou or dice"
            )

    def format_value(self, value: float | None, sign: str = "") -> str:
        """A value of it, or a dash."""
        if value is None:
            return "-"
        return f"{100 * value:{sign}.1f}" if self.unit == "percent" else f"{value:{sign}.4f}"

    def format_difference(self, difference: float) -> str:
        """How large a difference is."""
        unit = {"percent": " points", "number": ""}.get(self.unit, f" {self.unit}")
        return f"{self.format_value(abs(difference))}{unit}"


def _make_metric(name: str, one: MeanScore) -> Metric:
    task = next((count.removeprefix(TASK) for count in one.needs if count.startswith(TASK)), None)

    def compute_ratio(images: Images) -> Ratio:
        lacking = [count for count in one.needs if count not in images.counts]
        if not lacking:
            return one.ratio(images.counts)
        if task is None:
            raise UserError(
                f"a record has no {name} of its images: sweep it anew, with --counters where the usual ones do not count it, "
                "or with a suite that has it"
            )
        there = ", ".join(count.removeprefix(TASK) for count in images.counts if count.startswith(TASK)) or "none"
        raise UserError(f"a record has no further task {task!r} (it has {there}): compare networks that learned it")

    of_classes = one.needs == ("classes",)
    return Metric(name, compute_ratio, one.unit, one.lower_is_better, one.scale, task, of_classes=of_classes)


def _compute_overlap(overlap: Overlap, foreground: bool, empty: Empty | None, images: Images) -> Ratio:
    counts = images.counts["classes"]
    if empty is None:
        return make_foreground_ratio(overlap, counts)
    return make_image_ratio(overlap, counts[..., 1:, :] if foreground else counts, empty)


def _make_overlap_metrics(empty: Empty) -> dict[str, Metric]:
    """Overlap of the foreground over the data set; means over images of all classes and of the foreground."""
    found = {}
    for word, overlap in OVERLAPS.items():
        every = "miou" if word == "iou" else word
        kinds: list[tuple[str, bool, Empty | None]] = [
            (f"foreground_{word}", True, None),
            (f"image_{every}", False, "leave-out"),
            (f"image_foreground_{word}", True, empty),
        ]
        for name, foreground, convention in kinds:
            ratio = partial(_compute_overlap, overlap, foreground, convention)
            found[name] = Metric(
                name,
                ratio,
                "percent",
                lower_is_better=False,
                of_foreground=foreground,
                of_classes=True,
                of_images=convention is not None,
                empty=empty if convention is not None and foreground else None,
            )
    return found


COMPARED = {name: _make_metric(name, one) for name, one in find_mean_scores().items()} | _make_overlap_metrics(EMPTY[0])
"""By the name of the score, ``TASK.SCORE`` for one of a further task."""


def find_metric(name: str | None, records: Sequence[Record] = (), empty: Empty = EMPTY[0]) -> Metric:
    """A metric by its name; the first one of the records' data if `None`.

    That is the foreground's IoU where classes have a background, since half of a mIoU of two classes is the background's,
    and mIoU elsewhere.

    Args:
        name: a key of `COMPARED`.
        records: that it is for.
        empty: what a class counts, in means over images of the foreground, where mask and prediction lack it.

    Raises:
        UserError: a record has no such score.
    """
    if name is None:
        name = "foreground_iou" if _have_foreground(records) else "miou"
    found = (COMPARED | _make_overlap_metrics(empty))[name]
    for record in records:
        found.require(record)
    return found


def list_metrics(records: Sequence[Record], empty: Empty = EMPTY[0]) -> list[Metric]:
    """The metrics that a table shows of such records, the first one first: see `find_metric`."""
    names = ("foreground_iou", "image_foreground_dice", "miou") if _have_foreground(records) else ("miou",)
    return [find_metric(name, records, empty) for name in names]


def _have_foreground(records: Sequence[Record]) -> bool:
    return bool(records) and all(has_foreground(one.classes) for one in records)
