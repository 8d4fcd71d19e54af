"""All counts of a sweep for a batch under one condition."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.counters.boundary import Boundary
from lightning_modules.metrics.counters.confusion import Confusion
from lightning_modules.metrics.counters.reliability import Reliability
from user_error import UserError


def make_default_counters() -> list[Counter]:
    """The counters of every sweep."""
    return [Confusion(), Boundary(), Reliability()]


class SweepCounts(Metric):
    """Sums per condition of counts that are not stored for each image; exact in any order and over processes.

    Args:
        num_classes: K.
        num_conditions: number of conditions.
        counters: the counters; those of `make_default_counters` if `None`.

    Raises:
        UserError: two counters use the same name.
    """

    full_state_update = False

    def __init__(self, num_classes: int, num_conditions: int = 1, counters: Sequence[Counter] | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.counters = make_default_counters() if counters is None else [*counters]
        self.forms: dict[str, CountForm] = {}
        for counter in self.counters:
            forms = counter.list_forms(num_classes)
            if twice := self.forms.keys() & forms.keys():
                raise UserError(
                    f"two counters count {min(twice)!r}: leave out {type(counter).__name__}, or rename its counts"
                )
            self.forms |= forms
        self.needs_members = any(counter.needs_members for counter in self.counters)
        self.needs_region = any(counter.needs_region for counter in self.counters)
        self.sums = tuple(name for name, form in self.forms.items() if not form.per_image)
        for name in self.sums:
            zeros = torch.zeros(num_conditions, *self.forms[name].shape, dtype=torch.long)
            self.add_state(name, zeros, dist_reduce_fx="sum")

    def count(
        self,
        logits: Tensor,
        predicted: Tensor,
        mask: Tensor,
        condition: int = 0,
        members: Sequence[Tensor] = (),
        region: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Add a batch under `condition` to the sums.

        Args:
            logits: (B, K, H, W).
            predicted: (B, H, W) int64, their argmax.
            mask: (B, H, W) int64; ids outside the classes, such as 255, are ignored. Not to be changed in place
                between two calls; see `Prediction`.
            condition: index of the condition.
            members: (B, H, W) int64, what each member predicts; see `needs_members`.
            region: (B, H, W) bool, where the condition changes the images; see `needs_region`.

        Returns:
            Counts of each image by name, (B, ...) int64.
        """
        seen = Prediction(logits, predicted, mask, self.num_classes, members, region)
        counts = {name: part for counter in self.counters for name, part in counter.count(seen).items()}
        self.update({name: counts.pop(name) for name in self.sums}, condition)
        return counts

    def update(self, sums: dict[str, Tensor], condition: int = 0) -> None:
        """Add sums over images by name."""
        for name, part in sums.items():
            getattr(self, name)[condition] += part

    def compute(self) -> dict[str, Tensor]:
        """The sums of all conditions by name."""
        return {name: getattr(self, name) for name in self.sums}
