"""What two records can be compared by: the scores of the segmentation, and those of its further tasks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.records.record import Images
from experiments.records.scores import LOWER_IS_BETTER, METRICS
from lightning_modules.metrics.shares import Share
from lightning_modules.tasks.scores import SCORES, Unit, unchanged
from user_error import UserError

WORDS = {"miou": "mIoU", "nll": "NLL", "ece": "ECE"}


class Metric(NamedTuple):
    """A score of single images' counts."""

    name: str
    share: Callable[[Images], Share]
    unit: Unit
    lower_is_better: bool
    scale: Callable[[np.ndarray], np.ndarray] = unchanged
    task: str | None = None  # a further one that it is the score of

    @property
    def words(self) -> str:
        """How people call it."""
        return WORDS.get(self.name, self.name.replace("_", " ").replace(".", " "))

    def shown(self, value: float | None, sign: str = "") -> str:
        """A value of it, or a dash."""
        if value is None:
            return "-"
        return f"{100 * value:{sign}.1f}" if self.unit == "percent" else f"{value:{sign}.4f}"

    def size(self, difference: float) -> str:
        """How large a difference is."""
        unit = {"percent": " points", "number": ""}.get(self.unit, f" {self.unit}")
        return f"{self.shown(abs(difference))}{unit}"


def _of_segmentation(name: str) -> Metric:
    lower = name in LOWER_IS_BETTER

    def share(images: Images) -> Share:
        found = METRICS[name](images.counts)
        if not found.numerator.shape[-1]:
            raise UserError(f"a record was swept before its {name} was counted image by image: sweep it anew")
        return found

    return Metric(name, share, "number" if lower else "percent", lower)


def _of_task(task: str, name: str) -> Metric:
    one = SCORES[task][name]

    def share(images: Images) -> Share:
        if task not in images.tasks:
            there = ", ".join(images.tasks) or "none"
            raise UserError(f"a record has no further task {task!r} (it has {there}): compare networks that learned it")
        return one.share(images.tasks[task].astype(np.int64, copy=False))

    return Metric(f"{task}.{name}", share, one.unit, one.lower_is_better, one.scale, task)


COMPARED = {
    metric.name: metric
    for metric in (
        *map(_of_segmentation, METRICS),
        *(_of_task(task, name) for task, scores in SCORES.items() for name in scores),
    )
}
"""By name: those of `METRICS`, and ``TASK.SCORE`` of each further task."""
