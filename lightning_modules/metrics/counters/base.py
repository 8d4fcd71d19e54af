"""What every counter is: it turns predictions into integers that add up over images, batches and processes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from lightning_modules.metrics.counts import compute_confusion


@dataclass(frozen=True)
class Prediction:
    """What a network says of a batch under one condition, and what is true.

    Args:
        logits: (B, K, H, W).
        predicted: (B, H, W) int64, their argmax.
        mask: (B, H, W) int64; ids outside the classes, such as 255, are ignored. Not to be changed in place: what was
            made of it is kept as long as the next condition has the same one.
        num_classes: K.
    """

    logits: Tensor
    predicted: Tensor
    mask: Tensor
    num_classes: int

    @cached_property
    def confusion(self) -> Tensor:
        """Confusion matrices (B, K, K) int64 of the images, rows are true classes."""
        return compute_confusion(self.predicted, self.mask, self.num_classes)


class CountForm(NamedTuple):
    """The form of counts of one name: their shape, and whether they are kept of each image or summed up over all."""

    shape: tuple[int, ...]
    per_image: bool


class Counter(ABC):
    """Additive integers of predictions.

    A name stands for one meaning for ever: records that are compared hold it. Counts whose meaning changes get another.
    """

    @abstractmethod
    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """The counts by name: snake_case, of no other counter."""

    @abstractmethod
    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch by name, int64: (B, *shape) of each image, or of sums (*shape).

        An image all of whose pixels are ignored counts nothing but zeros: it may be the filling of a batch.
        """
