"""What two records can be compared by: every score that adds up over images, also of further tasks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.evaluation.record import Images
from experiments.evaluation.scores.base import MeanScore, Unit, identity
from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.scores.tasks import TASK
from user_error import UserError

WORDS = {"miou": "mIoU", "nll": "NLL", "ece": "ECE"}


class Metric(NamedTuple):
    """A score of single images' counts."""

    name: str
    ratio: Callable[[Images], Ratio]
    unit: Unit
    lower_is_better: bool
    scale: Callable[[np.ndarray], np.ndarray] = identity
    task: str | None = None  # a further one that it is the score of

    @property
    def title(self) -> str:
        """How people call it."""
        return WORDS.get(self.name, self.name.replace("_", " ").replace(".", " "))

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
            raise UserError(f"a record was swept before its {name} was counted image by image: sweep it anew")
        there = ", ".join(count.removeprefix(TASK) for count in images.counts if count.startswith(TASK)) or "none"
        raise UserError(f"a record has no further task {task!r} (it has {there}): compare networks that learned it")

    return Metric(name, compute_ratio, one.unit, one.lower_is_better, one.scale, task)


COMPARED = {name: _make_metric(name, one) for name, one in find_mean_scores().items()}
"""By the name of the score, ``TASK.SCORE`` for one of a further task."""
