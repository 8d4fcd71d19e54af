"""Counts for losses and calibration."""

from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, ODDS_BINS, UNIT
from lightning_modules.metrics.reliability import count_reliability


class Reliability(Counter):
    """Proper losses, and the confidence of pixels against their correctness; see `count_reliability`."""

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``losses`` (2,) and ``gaps`` (15,) of each image; ``calibration`` (15, 3) and ``odds`` (160, 2), summed."""
        return {
            "losses": CountForm((2,), per_image=True),
            "calibration": CountForm((CALIBRATION_BINS, 3), per_image=False),
            "gaps": CountForm((CALIBRATION_BINS,), per_image=True),
            "odds": CountForm((ODDS_BINS, 2), per_image=False),
        }

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch; ``gaps`` are, for each bin, the summed confidence minus the correct pixels, in fixed point."""
        losses, calibration, odds = count_reliability(seen.logits, seen.predicted, seen.mask)
        gaps = calibration[..., 2] - UNIT * calibration[..., 1]
        return {"losses": losses, "calibration": calibration.sum(0), "gaps": gaps, "odds": odds}
