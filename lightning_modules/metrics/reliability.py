"""Reliability of confidences: proper losses, calibration and ranking of errors, as additive integers."""

import torch
from torch import Tensor

from lightning_modules.metrics.fixed_point import (
    CALIBRATION_BINS,
    LEAST_ODDS_EXPONENT,
    ODDS_BINS,
    ODDS_PER_OCTAVE,
    UNIT,
)

LARGEST_LOSS = 2.0**15  # nats per pixel, the upper bound for a diverged network
MANTISSA = 23  # bits of a float32
BIAS = 127


def count_reliability(logits: Tensor, predicted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of each image, and the confidence against the correctness of its counted pixels.

    Args:
        logits: (B, K, H, W).
        predicted: (B, H, W) int64, their argmax.
        mask: (B, H, W) int64 class ids; ids outside the classes, such as 255, are ignored.

    Returns:
        Sums over pixels of the negative log-likelihood in nats and of the Brier score, in units of 1 / `UNIT`, (B, 2);
        pixels, correct ones and the sum of confidences in units of 1 / `UNIT` in each bin of the confidence, (B, 15, 3);
        pixels and correct ones of all images in each bin of the odds, from the most confident on, (`ODDS_BINS`, 2). All
        int64.
    """
    parts = (
        [slice(None)] if logits.is_cuda else [slice(k, k + 1) for k in range(len(logits))]
    )  # one image fits the cache
    counted = [_count(logits[part], predicted[part], mask[part]) for part in parts]
    losses, calibration, odds = zip(*counted, strict=True)
    return torch.cat(losses), torch.cat(calibration), torch.stack(odds).sum(0)


def _count(logits: Tensor, predicted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    counted = (mask >= 0) & (mask < logits.shape[1])
    true = mask.where(counted, 0)
    chances = logits.float()
    top = chances.gather(1, predicted[:, None])
    behind = (top - chances.gather(1, true[:, None]))[:, 0]  # of the true class, in nats
    powers = (chances - top).exp_().scatter_(1, predicted[:, None], 0)
    odds_against = powers.sum(
        1
    )  # without the 1 of the predicted class, next to which small terms would be lost to rounding
    odds_against = odds_against.where(top[:, 0].isfinite(), torch.nan)
    total, squares = odds_against + 1, powers.square_().sum(1) + 1
    nll = (odds_against.log1p() + behind).nan_to_num(LARGEST_LOSS, LARGEST_LOSS).clamp(max=LARGEST_LOSS)
    brier = (squares / total.square() - 2 * (-behind).exp() / total + 1).nan_to_num(2.0)
    losses = torch.stack([_sum_fixed_point(nll, counted), _sum_fixed_point(brier, counted)], dim=-1)
    calibration, odds = _compute_histograms(odds_against, predicted == true, counted)
    return losses, calibration, odds


def _sum_fixed_point(loss: Tensor, counted: Tensor) -> Tensor:
    """Sum over the counted pixels of each image in units of 1 / `UNIT`, (B,)."""
    return (loss * UNIT).round_().long().mul_(counted).sum((-2, -1))


def _compute_histograms(odds_against: Tensor, correct: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Calibration (B, 15, 3) and odds (`ODDS_BINS`, 2) of confidences 1 / (1 + `odds_against`)."""
    against = odds_against.nan_to_num(torch.inf)  # diverged predictions get the lowest confidence
    confidence = (UNIT / (against + 1)).round_().int()
    interval = (confidence * CALIBRATION_BINS - 1).div_(UNIT, rounding_mode="floor").clamp_(min=0)
    images = len(confidence)
    interval += CALIBRATION_BINS * torch.arange(images, dtype=torch.int32, device=interval.device)[:, None, None]
    quarter = against.view(torch.int32) >> (MANTISSA - 2)  # of an octave: the exponent and two bits of mantissa
    first = (BIAS + LEAST_ODDS_EXPONENT) * ODDS_PER_OCTAVE
    rank = (quarter - first).clamp_(0, ODDS_BINS - 1)
    cells = 2 * ODDS_BINS * CALIBRATION_BINS * images
    cell = ((interval * ODDS_BINS + rank) * 2 + correct).where(counted, cells)
    joint = torch.bincount(cell.flatten(), minlength=cells + 1)[:-1].view(images, CALIBRATION_BINS, ODDS_BINS, 2)
    weights = confidence.where(counted, 0).flatten().double()  # integers below 2^53: exact in any order
    sums = torch.bincount(interval.flatten(), weights, minlength=CALIBRATION_BINS * images).long()
    bins, odds = joint.sum(2), joint.sum((0, 1))
    calibration = torch.stack([bins.sum(-1), bins[..., 1], sums.view(images, CALIBRATION_BINS)], dim=-1)
    return calibration, torch.stack([odds.sum(-1), odds[:, 1]], dim=-1)
