"""The base of counters, which turn predictions into integers that are additive over images, batches and processes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from lightning_modules.metrics.counts import compute_confusion


@dataclass(frozen=True)
class Prediction:
    """A network's prediction for a batch under one condition, and the mask.

    Args:
        logits: (B, K, H, W).
        predicted: (B, H, W) int64, their argmax.
        mask: (B, H, W) int64; ids outside the classes, such as 255, are ignored. Must not be modified in place, since
            results are cached while the next condition has the same mask.
        num_classes: K.
        members: (B, H, W) int64, what each member of a network of several predicts, where a counter needs it.
        region: (B, H, W) bool, where the condition changes the images, where a counter needs it; `None` for everywhere.
    """

    logits: Tensor
    predicted: Tensor
    mask: Tensor
    num_classes: int
    members: Sequence[Tensor] = ()
    region: Tensor | None = None

    @cached_property
    def confusion(self) -> Tensor:
        """Confusion matrices (B, K, K) int64 of the images, rows are true classes."""
        return compute_confusion(self.predicted, self.mask, self.num_classes)


class CountForm(NamedTuple):
    """The form of one kind of counts: their shape, and whether they are stored for each image or summed over all.

    With `by_class` the first axis is that of the classes, and means are over it: a class that a protocol does not score
    counts nothing there.
    """

    shape: tuple[int, ...]
    per_image: bool
    by_class: bool = False


class Counter(ABC):
    """Additive integers of predictions.

    The meaning of a name must never change, since records are compared by it; changed counts get a new name.
    """

    needs_members = False
    """Whether it counts what the members of a network predict."""

    at_file_size = False
    """Whether it is shown logits at the size of each file with the file's masks; it then counts image by image alone."""

    needs_region = False
    """Whether it counts by the region that a condition changes."""

    @abstractmethod
    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """The forms of the counts by name, in snake_case and unique among counters."""

    @abstractmethod
    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch by name, int64: (B, *shape) for each image, or sums (*shape).

        The counts of an image without labelled pixels must be zero: it may be the padding of a batch.
        """
