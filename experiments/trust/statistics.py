"""All that is measured of an image and of a network's prediction of it, to tell whether the mask is to be trusted."""

import torch
from torch import Tensor

from experiments.trust import image_statistics, prediction_statistics
from lightning_modules.segmentation import SegmentationModule

NAMES = (*image_statistics.NAMES, *prediction_statistics.NAMES)
"""Of the columns of `describe_images`."""


def describe_images(module: SegmentationModule, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K, H, W) and statistics (B, `NAMES`) of images (B, C, H, W), uint8 or float in [0, 1]."""
    logits, of_prediction = prediction_statistics.compute_prediction_statistics(module, images)
    return logits, torch.cat([image_statistics.compute_image_statistics(images), of_prediction], 1)
