"""Counts of confusion matrices."""

from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.counts import count_classes


class Confusion(Counter):
    """Pixels of each true class (rows) predicted as each class; for each image true positives, predicted and true pixels."""

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``confusion`` (K, K), summed; ``classes`` (K, 3) of each image."""
        return {
            "confusion": CountForm((num_classes, num_classes), per_image=False),
            "classes": CountForm((num_classes, 3), per_image=True, by_class=True),
        }

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch."""
        return {"confusion": seen.confusion.sum(0), "classes": count_classes(seen.confusion)}
