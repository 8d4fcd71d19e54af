"""Counts inside and outside of the region that a condition changes."""

from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.counts import compute_confusion, count_classes


class Regions(Counter):
    """Hits, predicted and true pixels of each class where a local corruption changes the image, and where it does not.

    Under a condition without a region, such as clean, all pixels count as both: what a score inside or outside falls from.
    """

    needs_region = True

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``inside`` (K, 3) and ``outside`` (K, 3) of each image."""
        return {name: CountForm((num_classes, 3), per_image=True, by_class=True) for name in ("inside", "outside")}

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch."""
        everywhere = count_classes(seen.confusion)
        if seen.region is None:
            return {"inside": everywhere, "outside": everywhere}
        masks = seen.mask.masked_fill(~seen.region, -1)
        inside = count_classes(compute_confusion(seen.predicted, masks, seen.num_classes))
        return {"inside": inside, "outside": everywhere - inside}
