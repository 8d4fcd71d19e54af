"""What mmsegmentation and SegFormer do at test time, written down once more, in the plainest way."""

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


def slide(network: nn.Module, image: Tensor, crop: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Logits (1, K, H, W) of one image by windows: sums over counts."""
    height, width = image.shape[2:]
    total, times = None, torch.zeros(1, 1, height, width)
    for row in range(max(height - crop[0] + stride[0] - 1, 0) // stride[0] + 1):
        for column in range(max(width - crop[1] + stride[1] - 1, 0) // stride[1] + 1):
            bottom, right = min(row * stride[0] + crop[0], height), min(column * stride[1] + crop[1], width)
            top, left = max(bottom - crop[0], 0), max(right - crop[1], 0)
            logits = network(image[:, :, top:bottom, left:right])
            placed = F.pad(logits, (left, width - right, top, height - bottom))
            total = placed if total is None else total + placed
            times[:, :, top:bottom, left:right] += 1
    assert total is not None
    return total / times


def keep_ratio(image: np.ndarray, scale: tuple[int, int], divisor: int = 1) -> np.ndarray:
    """An image (H, W, C) within a scale such as (2048, 512), whichever way it lies; then up to multiples of `divisor`."""
    height, width = image.shape[:2]
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    image = cv2.resize(image, (int(width * factor + 0.5), int(height * factor + 0.5)), interpolation=cv2.INTER_LINEAR)
    height, width = (int(np.ceil(side / divisor)) * divisor for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def predict_at(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Classes (h, w) of the logits (1, K, H, W) of one image, at the size of its file."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)[0]


def count_confusion(truth: Tensor, predicted: Tensor, classes: int) -> np.ndarray:
    """Pixels (K, K) by true and predicted class; true ones of 255 are left out."""
    found = np.zeros((classes, classes), np.int64)
    for true, guess in zip(truth.flatten().tolist(), predicted.flatten().tolist(), strict=True):
        if true != 255:
            found[true, guess] += 1
    return found
