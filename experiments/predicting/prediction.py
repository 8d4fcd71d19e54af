"""What a network says of one image: classes, how sure it is of each, and maps of its uncertainty."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.predicting.prediction_table import Tally
from experiments.trust.trust_model import Judgement
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import find_classes

Part = tuple[slice, slice, Tensor]
"""Rows and columns of an image, and the logits (1, K, h, w) there."""


class Prediction(NamedTuple):
    """Of an image of (H, W) pixels: class ids (H, W) uint8, their tally, and maps (H, W) from 0 to 1, or of 8 bits, by name.

    With a file of `trust` also whether the mask is to be trusted; an image in tiles is not judged.
    """

    mask: np.ndarray
    tally: Tally
    maps: dict[str, np.ndarray]
    judgement: Judgement | None = None


def classify(size: tuple[int, int], parts: Iterable[Part], name: str) -> tuple[np.ndarray, Tally]:
    """The mask (H, W) uint8 and the tally of an image whose logits come part by part.

    Args:
        size: (H, W) of the image.
        parts: that cover it once.
        name: of the image, for the message.

    Raises:
        UserError: logits are not finite.
    """
    mask, pixels, confidence = np.empty(size, np.uint8), np.zeros(0, np.int64), np.zeros(0)
    for rows, columns, logits in parts:
        require_finite(find_finite(logits)[None], [name])
        found, classes = find_classes(logits)[0], logits.shape[1]
        sure = logits.float().softmax(1).amax(1)[0].flatten().double()
        if not len(pixels):
            pixels, confidence = np.zeros(classes, np.int64), np.zeros(classes)
        pixels += torch.bincount(found.flatten(), minlength=classes).cpu().numpy()
        confidence += torch.bincount(found.flatten(), sure, minlength=classes).cpu().numpy()
        mask[rows, columns] = found.to(torch.uint8).cpu().numpy()
    return mask, Tally(pixels, confidence)
