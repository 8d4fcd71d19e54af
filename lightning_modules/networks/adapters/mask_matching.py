"""The loss of Transformers' networks that classify masks: proposed masks are matched to those of the classes."""

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.labels import IGNORED
from user_error import UserError


def compute_matching_loss(model: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """The loss of the library's own class, in single precision: Hungarian matching, then cross-entropy, mask and dice losses.

    Cheng et al., "Per-Pixel Classification is Not All You Need for Semantic Segmentation", NeurIPS 2021 (MaskFormer), and
    "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022. Where the library has losses at several
    layers they are part of it. An ignored pixel belongs to no mask, as in the authors' code.

    Args:
        model: of Transformers.
        x: normalised images (B, C, H, W).
        mask: class ids (B, h, w) of their top left part; what is missing was padded.

    Raises:
        UserError: SciPy, by which the library matches, is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise UserError("the matching of masks needs SciPy: run pip install scipy")
    padded = F.pad(mask, (0, x.shape[3] - mask.shape[2], 0, x.shape[2] - mask.shape[1]), value=IGNORED)
    labelled = (padded != IGNORED).flatten(1).any(1)
    if not labelled.any():
        return sum((0.0 * one.sum() for one in model.parameters()), start=x.new_zeros(()))
    classes, masks = list_masks(padded[labelled])
    with torch.autocast(x.device.type, enabled=False):  # the costs of the matching would be rounded
        found: Any = model(x[labelled].float(), mask_labels=masks, class_labels=classes)
    return found.loss.squeeze()


def list_masks(mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The classes (N,) of each image, and their masks (N, H, W) of zeros and ones.

    Args:
        mask: class ids (B, H, W), 255 where ignored, and somewhere not in each image.
    """
    classes = [one.unique() for one in mask]
    classes = [one[one != IGNORED] for one in classes]
    masks = [(one == kinds[:, None, None]).float() for one, kinds in zip(mask, classes, strict=True)]
    return classes, masks
