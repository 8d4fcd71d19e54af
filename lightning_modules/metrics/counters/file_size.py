"""Counts at the size of the files, beside those at the size that the network is given."""

from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.counts import count_classes


class FileSize(Counter):
    """Intersection, predicted and true pixels of each class, of logits that are interpolated to the size of each file."""

    at_file_size = True

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``file_classes`` (K, 3) of each image."""
        return {"file_classes": CountForm((num_classes, 3), per_image=True, by_class=True)}

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch."""
        return {"file_classes": count_classes(seen.confusion)}
