"""Counts of the entropy of predictions."""

import math
from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.metrics.uncertainty import entropy


class Entropy(Counter):
    """Entropy of the softmax of labelled pixels in nats: the lower an image's mean, the surer its prediction."""

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``entropy`` (1,) of each image, in units of 1 / `UNIT`."""
        return {"entropy": CountForm((1,), per_image=True)}

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch; a diverged prediction has the entropy of equal chances."""
        labelled = (seen.mask >= 0) & (seen.mask < seen.num_classes)
        found = entropy(seen.logits.float().softmax(1)).nan_to_num(math.log(seen.num_classes))
        return {"entropy": (found * UNIT).round().long().mul(labelled).sum((-2, -1))[:, None]}
