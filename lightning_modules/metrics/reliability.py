"""Reliability of confidences: proper losses, calibration and ranking of errors, as additive integers."""

import math

import torch
from torch import Tensor

from lightning_modules.metrics.fixed_point import (
    CALIBRATION_BINS,
    LEAST_LOG_ODDS_EXPONENT,
    LOG_ODDS_BINS,
    LOG_ODDS_PER_OCTAVE,
    UNIT,
    UNIT_BITS,
)

LARGEST_LOSS = 2.0**15  # nats per pixel, the upper bound for a diverged network
MANTISSA = 23  # bits of a float32
BIAS = 127
LEAST_POWER = -87.0  # nats: below, exp leaves the range of a float32, where it takes ten times as long
LEAST_ODDS = 2.0**-100  # below, the terms of their sum fall out of the range of a float32


def count_reliability(logits: Tensor, predicted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of each image, and the confidence against the correctness of its counted pixels.

    Args:
        logits: (B, K, H, W).
        predicted: (B, H, W) int64, their argmax.
        mask: (B, H, W) int64 class ids; ids outside the classes, such as 255, are ignored.

    Returns:
        Sums over pixels of the negative log-likelihood in nats and of the Brier score, in units of 1 / `UNIT`, (B, 2);
        pixels, correct ones and the sum of confidences in units of 1 / `UNIT` in each bin of the confidence, (B, 15, 3);
        pixels and correct ones in each bin of the log odds, from the most confident on, (B, `LOG_ODDS_BINS`, 2). All int64.
    """
    parts = (
        [slice(None)] if logits.is_cuda else [slice(k, k + 1) for k in range(len(logits))]
    )  # one image fits the cache
    counted = [_count(logits[part], predicted[part], mask[part]) for part in parts]
    losses, calibration, log_odds = zip(*counted, strict=True)
    return torch.cat(losses), torch.cat(calibration), torch.cat(log_odds)


def rank_confidence(logits: Tensor, predicted: Tensor, counted: Tensor) -> Tensor:
    """Bin of the log odds of each pixel as `count_reliability` has them, (B, H, W) int64; of pixels that are not counted, any.

    Args:
        logits: (B, K, H, W).
        predicted: (B, H, W) int64, their argmax.
        counted: (B, H, W) bool.
    """
    chances = logits.float()
    top = _find_top(chances, predicted)
    odds_against = _compute_powers(chances, predicted, top).sum(1).where(top[:, 0].isfinite(), torch.nan)
    return _rank_log_odds(odds_against, chances, predicted, counted).long()


def _find_top(chances: Tensor, predicted: Tensor) -> Tensor:
    """Logits (B, 1, H, W) of the predicted classes."""
    return chances.gather(1, predicted[:, None])


def _compute_powers(chances: Tensor, predicted: Tensor, top: Tensor) -> Tensor:
    """Odds of each class against the predicted one, whose logits are `top`, (B, K, H, W), 0 of that itself."""
    odds = (chances - top).clamp_(min=LEAST_POWER).exp_()
    return odds.scatter_(1, predicted[:, None], 0)


def _count(logits: Tensor, predicted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    counted = (mask >= 0) & (mask < logits.shape[1])
    true = mask.where(counted, 0)
    chances = logits.float()
    top = _find_top(chances, predicted)
    behind = (top - chances.gather(1, true[:, None]))[:, 0]  # of the true class, in nats
    powers = _compute_powers(chances, predicted, top)
    odds_against = powers.sum(
        1
    )  # without the 1 of the predicted class, next to which small terms would be lost to rounding
    odds_against = odds_against.where(top[:, 0].isfinite(), torch.nan)
    total, squares = odds_against + 1, powers.square_().sum(1) + 1
    nll = (odds_against.log1p() + behind).nan_to_num(LARGEST_LOSS, LARGEST_LOSS).clamp(max=LARGEST_LOSS)
    brier = (squares / total.square() - 2 * (-behind).exp() / total + 1).nan_to_num(2.0)
    losses = torch.stack([_sum_fixed_point(nll, counted), _sum_fixed_point(brier, counted)], dim=-1)
    rank = _rank_log_odds(odds_against, chances, predicted, counted)
    calibration, log_odds = _compute_histograms(odds_against, rank, predicted == true, counted)
    return losses, calibration, log_odds


def _sum_fixed_point(loss: Tensor, counted: Tensor) -> Tensor:
    """Sum over the counted pixels of each image in units of 1 / `UNIT`, (B,)."""
    return (loss * UNIT).round_().long().mul_(counted).sum((-2, -1))


def _rank_log_odds(odds_against: Tensor, logits: Tensor, predicted: Tensor, counted: Tensor) -> Tensor:
    """Bin of the log odds of each pixel (B, H, W) int32, 0 for the most confident; not of pixels that are not counted."""
    chance = math.log(max(1, logits.shape[1] - 1))  # log odds against the prediction where all classes are as likely
    above = chance - odds_against.nan_to_num(torch.inf).log()  # diverged predictions get the lowest confidence
    far = counted & (odds_against < LEAST_ODDS)
    if far.any():
        others = logits.scatter(1, predicted[:, None], -torch.inf)
        second = others.amax(1, keepdim=True).clamp_(min=torch.finfo(others.dtype).min)  # others may be ruled out
        rest = others.sub_(second).clamp_(min=LEAST_POWER).exp_().sum(1).log_()
        ahead = (logits.gather(1, predicted[:, None]) - second)[:, 0]
        above = torch.where(far, chance + ahead - rest, above)
    step = above.view(torch.int32) >> (MANTISSA - int(math.log2(LOG_ODDS_PER_OCTAVE)))  # exponent and first bits
    first = (BIAS + LEAST_LOG_ODDS_EXPONENT) * LOG_ODDS_PER_OCTAVE
    return LOG_ODDS_BINS - 1 - (step - first).clamp_(0, LOG_ODDS_BINS - 1)


def _compute_histograms(odds_against: Tensor, rank: Tensor, correct: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Calibration (B, 15, 3) of confidences 1 / (1 + `odds_against`), and (B, `LOG_ODDS_BINS`, 2) of their ranks."""
    against = odds_against.nan_to_num(torch.inf)
    confidence = (UNIT / (against + 1)).round_().int()
    interval = ((confidence * CALIBRATION_BINS - 1) >> UNIT_BITS).clamp_(
        min=0
    )  # rounds down, and faster than a division
    images = len(confidence)
    interval += CALIBRATION_BINS * torch.arange(images, dtype=torch.int32, device=interval.device)[:, None, None]
    cells = 2 * LOG_ODDS_BINS * CALIBRATION_BINS * images
    cell = ((interval * LOG_ODDS_BINS + rank) * 2 + correct).where(counted, cells)
    joint = torch.bincount(cell.flatten(), minlength=cells + 1)[:-1].view(images, CALIBRATION_BINS, LOG_ODDS_BINS, 2)
    weights = confidence.where(counted, 0).flatten().double()  # integers below 2^53: exact in any order
    sums = torch.bincount(interval.flatten(), weights, minlength=CALIBRATION_BINS * images).long()
    bins, log_odds = joint.sum(2), joint.sum(1)
    calibration = torch.stack([bins.sum(-1), bins[..., 1], sums.view(images, CALIBRATION_BINS)], dim=-1)
    return calibration, torch.stack([log_odds.sum(-1), log_odds[..., 1]], dim=-1)
