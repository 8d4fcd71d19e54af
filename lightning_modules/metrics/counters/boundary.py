"""Counts for boundary IoU."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_modules.labels import IGNORED
from lightning_modules.metrics.boundary import compute_boundary_reach, count_boundary, find_boundary_region
from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction


class Boundary(Counter):
    """Hits, predicted and true pixels of each class within the boundary regions (Cheng et al., CVPR 2021)."""

    def __init__(self) -> None:
        self._mask: Tensor | None = None
        self._mask_region: Tensor | None = None

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``boundary`` (K, 3) of each image."""
        return {"boundary": CountForm((num_classes, 3), per_image=True, by_class=True)}

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch."""
        mask = seen.mask
        ignored = (mask < 0) | (mask >= seen.num_classes)
        labels, reach = mask.masked_fill(ignored, IGNORED).to(torch.uint8), compute_boundary_reach(*mask.shape[-2:])
        if self._mask is not mask or self._mask_region is None:  # most conditions leave the masks as they are
            self._mask, self._mask_region = mask, find_boundary_region(labels, reach)
        guessed = seen.predicted.to(torch.uint8)
        region = find_boundary_region(guessed.masked_fill(ignored, IGNORED), reach)
        return {"boundary": count_boundary(guessed, region, labels, self._mask_region, seen.num_classes)}
