"""Counts of how far the members of a network agree."""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.counts import compute_confusion, count_classes
from lightning_modules.metrics.fixed_point import UNIT


class Members(Counter):
    """Dice of the labelled pixels that each two members predict as a class (Roy et al., NeuroImage 2019).

    Nothing is counted of a network without members. A class that neither of two predicts is no pair of it.
    """

    needs_members = True

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``pairwise_dice`` (K, 2) of each image: the sum over pairs in units of 1 / `UNIT`, and the number of pairs."""
        return {"pairwise_dice": CountForm((num_classes, 2), per_image=True, by_class=True)}

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch."""
        labelled = (seen.mask >= 0) & (seen.mask < seen.num_classes)
        total = torch.zeros(len(seen.mask), seen.num_classes, 2, dtype=torch.long, device=seen.mask.device)
        for one, other in combinations(seen.members, 2):
            confusion = compute_confusion(one, other.where(labelled, -1), seen.num_classes)
            both, first, second = count_classes(confusion).unbind(-1)
            either = first + second
            dice = (2 * UNIT * both.double() / either.clamp(min=1)).round().long()  # the same on every device
            total += torch.stack([dice, (either > 0).long()], dim=-1)
        return {"pairwise_dice": total}
