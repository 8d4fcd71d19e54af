"""Counts for losses and calibration."""

from collections.abc import Mapping

from torch import Tensor

from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.fixed_point import CALIBRATION_BINS, IMAGE_LOG_ODDS_BINS, LOG_ODDS_BINS, UNIT
from lightning_modules.metrics.reliability import count_reliability


class Reliability(Counter):
    """Proper losses, and the confidence of pixels against their correctness; see `count_reliability`."""

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """Of each image ``losses`` (2,), ``gaps`` (15,) and ``image_log_odds`` (56, 2).

        Summed ``calibration`` (15, 3) and ``log_odds`` (448, 2).
        """
        return {
            "losses": CountForm((2,), per_image=True),
            "calibration": CountForm((CALIBRATION_BINS, 3), per_image=False),
            "gaps": CountForm((CALIBRATION_BINS,), per_image=True),
            "log_odds": CountForm((LOG_ODDS_BINS, 2), per_image=False),
            "image_log_odds": CountForm((IMAGE_LOG_ODDS_BINS, 2), per_image=True),
        }

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch; ``gaps`` are, for each bin, the summed confidence minus the correct pixels, in fixed point."""
        losses, calibration, log_odds = count_reliability(seen.logits, seen.predicted, seen.mask)
        return {
            "losses": losses,
            "calibration": calibration.sum(0),
            "gaps": calibration[..., 2] - UNIT * calibration[..., 1],
            "log_odds": log_odds.sum(0),
            "image_log_odds": log_odds.unflatten(1, (IMAGE_LOG_ODDS_BINS, -1)).sum(2),
        }
