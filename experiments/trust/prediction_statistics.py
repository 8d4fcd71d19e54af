"""Statistics of a network's prediction of an image by which its failure is recognised."""

import math

import torch
from torch import Tensor

from lightning_modules.labels import find_classes
from lightning_modules.metrics.counts import compute_confusion, mean_iou
from lightning_modules.metrics.uncertainty import compute_uncertainty
from lightning_modules.networks.ensembles.combination import find_combination
from lightning_modules.segmentation import SegmentationModule

UNSURE = 0.75
"""Largest probability below which a pixel counts as unsure."""

NAMES = ("confidence", "unsure_share", "entropy", "disagreement", "view_agreement", "largest_class_share")
"""Of the columns of `compute_prediction_statistics`."""


def compute_prediction_statistics(module: SegmentationModule, image: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K, H, W) of images (B, C, H, W), and statistics (B, `NAMES`) float32; each of its image alone.

    Means over the pixels of the largest probability, of whether it is below `UNSURE`, and of the entropy as a share of that of
    a guess; the share of pixels on which members disagree, or for a single network the mirrored image; the mIoU of the mask
    and that of the mirrored image; and the share of the class with most pixels. Takes one pass more than a prediction,
    and two of several members.
    """
    logits = module.predict_logits(image)
    mirrored = module.predict_logits(image.flip(-1)).flip(-1)
    classes, others = find_classes(logits), find_classes(mirrored)
    several = find_combination(module.network)
    own = compute_uncertainty([logits]) if several is None else several.compute_uncertainty(image)
    disagreement = (classes != others).float() if several is None else own.disagreement
    confidence = logits.float().softmax(1).amax(1)
    counts = compute_confusion(classes, others.long(), module.num_classes)
    columns = [
        confidence.mean((1, 2)),
        (confidence < UNSURE).float().mean((1, 2)),
        own.entropy.mean((1, 2)) / math.log(module.num_classes),
        disagreement.mean((1, 2)),
        mean_iou(counts).float(),
        counts.sum(1).amax(1) / classes[0].numel(),
    ]
    return logits, torch.stack(columns, 1)
