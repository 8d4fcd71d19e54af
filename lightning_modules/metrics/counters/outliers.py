"""Counts of how confident a network is of what no class is meant for."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_modules.labels import INLIER, OUTLIER
from lightning_modules.metrics.counters.base import Counter, CountForm, Prediction
from lightning_modules.metrics.fixed_point import IMAGE_LOG_ODDS_BINS, LOG_ODDS_BINS
from lightning_modules.metrics.reliability import rank_confidence
from user_error import UserError


class Outliers(Counter):
    """Confidence of outliers against that of all other pixels, for data whose masks tell them; see `labels.OUTLIER`."""

    def list_forms(self, num_classes: int) -> Mapping[str, CountForm]:
        """``outlier_log_odds`` (448, 2), summed: pixels and inliers among them by the log odds, the most confident first.

        Of each image ``image_outlier_log_odds`` (56, 2), in wider bins.

        Raises:
            UserError: two classes have the values of outliers and inliers.
        """
        if num_classes > INLIER:
            raise UserError(f"{num_classes} classes leave no value of a mask for outliers: leave this counter out")
        return {
            "outlier_log_odds": CountForm((LOG_ODDS_BINS, 2), per_image=False),
            "image_outlier_log_odds": CountForm((IMAGE_LOG_ODDS_BINS, 2), per_image=True),
        }

    def count(self, seen: Prediction) -> Mapping[str, Tensor]:
        """Counts of a batch; inliers are all pixels with a class, and those that are marked as such."""
        inlier = ((seen.mask >= 0) & (seen.mask < seen.num_classes)) | (seen.mask == INLIER)
        counted = inlier | (seen.mask == OUTLIER)
        rank = rank_confidence(seen.logits, seen.predicted, counted)
        images, cells = len(rank), 2 * LOG_ODDS_BINS
        place = torch.arange(images, device=rank.device)[:, None, None]
        cell = (place * cells + rank * 2 + inlier).where(counted, images * cells)
        found = torch.bincount(cell.flatten(), minlength=images * cells + 1)[:-1].view(images, LOG_ODDS_BINS, 2)
        histograms = torch.stack([found.sum(-1), found[..., 1]], dim=-1)
        return {
            "outlier_log_odds": histograms.sum(0),
            "image_outlier_log_odds": histograms.unflatten(1, (IMAGE_LOG_ODDS_BINS, -1)).sum(2),
        }
