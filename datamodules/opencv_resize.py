"""The resize of OpenCV for batches on any device, bit for bit.

OpenCV computes in integers or in single-precision sums of a fixed order. The same operations one after the other, none of
them fused, give the same levels on every device. A CPU calls OpenCV itself, which is faster.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from datamodules.aspect import Interpolation

FIXED = 2048
"""What stands for 1 among the weights of linear interpolation."""

NEGLIGIBLE = 1e-3
"""Fraction of a pixel below which OpenCV leaves it out of an average."""


def choose_interpolation(size: tuple[int, int], target: tuple[int, int], shrinking: Interpolation = "area") -> int:
    """Average over areas where a side shrinks, and interpolate linearly otherwise: what `transforms.Resize` does."""
    shrinks = any(there < here for here, there in zip(size, target, strict=True))
    return cv2.INTER_AREA if shrinks and shrinking == "area" else cv2.INTER_LINEAR


def resize_images(images: Tensor, target: tuple[int, int], shrinking: Interpolation = "area") -> Tensor:
    """Images as `cv2.resize` resizes them, averaged over areas where a side shrinks.

    Args:
        images: uint8 (B, C, H, W).
        target: (height, width).
        shrinking: whether they are averaged over areas, or interpolated linearly there as well.

    Returns:
        uint8 (B, C, *target); the very tensor that came in where it has that size.
    """
    if tuple(images.shape[2:]) == target:
        return images
    resize = _call_opencv if images.device.type == "cpu" else compute_resized
    return resize(images, target, shrinking)


def resize_masks(masks: Tensor, target: tuple[int, int]) -> Tensor:
    """Class ids (B, H, W) resampled by the nearest pixel, as `cv2.INTER_NEAREST_EXACT` finds it, (B, *target)."""
    if tuple(masks.shape[1:]) == target:
        return masks
    rows, columns = (
        _find_nearest(here, there).to(masks.device) for here, there in zip(masks.shape[1:], target, strict=True)
    )
    return masks.index_select(1, rows).index_select(2, columns)


def resize_mask(mask: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    """A mask (H, W), or numbers of its pixels (H, W, N), resampled like `resize_masks`, (*target) or (*target, N).

    OpenCV itself ends the process for masks of more than 32,767 rows (4.14).
    """
    rows, columns = (_find_nearest(here, there).numpy() for here, there in zip(mask.shape[:2], target, strict=True))
    return mask.take(rows, 0).take(columns, 1)


def _call_opencv(images: Tensor, target: tuple[int, int], shrinking: Interpolation) -> Tensor:
    resized = torch.empty((*images.shape[:2], *target), dtype=torch.uint8)
    interpolation = choose_interpolation((images.shape[2], images.shape[3]), target, shrinking)
    for planes, results in zip(images.contiguous().numpy(), resized.numpy(), strict=True):
        for plane, result in zip(planes, results, strict=True):
            cv2.resize(plane, target[::-1], dst=result, interpolation=interpolation)
    return resized


def compute_resized(images: Tensor, target: tuple[int, int], shrinking: Interpolation = "area") -> Tensor:
    """What OpenCV computes, in operations of torch on the device of the images; see `resize_images`."""
    size = (images.shape[2], images.shape[3])
    scales = [_find_scale(here, there) for here, there in zip(size, target, strict=True)]
    if shrinking == "linear" and scales != [2.0, 2.0]:  # OpenCV averages halves in either case
        return _interpolate(images, target, area=False)
    if choose_interpolation(size, target) == cv2.INTER_AREA and min(scales) >= 1:
        whole = [round(scale) for scale in scales]
        if all(abs(scale - near) < np.finfo(float).eps for scale, near in zip(scales, whole, strict=True)):
            return _average_blocks(images, whole[0], whole[1])
        return _average_areas(images, target)
    return _interpolate(images, target, choose_interpolation(size, target) == cv2.INTER_AREA)


def _find_scale(here: int, there: int) -> float:
    return 1.0 / (there / here)  # not here / there, which is rounded otherwise


def _average_blocks(images: Tensor, rows: int, columns: int) -> Tensor:
    """Means of blocks of `rows` x `columns` pixels."""
    height, width = images.shape[2] // rows, images.shape[3] // columns
    blocks = images.view(*images.shape[:2], height, rows, width, columns).sum((3, 5), dtype=torch.int32)
    if rows == columns == 2:
        return ((blocks + 2) >> 2).to(torch.uint8)
    return (blocks.float() * float(np.float32(1) / np.float32(rows * columns))).round().to(torch.uint8)


def _average_areas(images: Tensor, target: tuple[int, int]) -> Tensor:
    """Means over areas whose borders lie within pixels: along rows first, one pixel of each area after the other."""
    places, weights = _list_area_weights(images.shape[3], target[1], images.device)
    across = images.index_select(3, places[0]).float() * weights[0]
    for place, weight in zip(places[1:], weights[1:], strict=True):
        across = across + images.index_select(3, place).float() * weight
    places, weights = _list_area_weights(images.shape[2], target[0], images.device)
    summed = across.index_select(2, places[0]) * weights[0][:, None]
    for place, weight in zip(places[1:], weights[1:], strict=True):
        summed = summed + across.index_select(2, place) * weight[:, None]
    return summed.round().clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _list_area_weights(here: int, there: int, device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """Places (there,) and weights of the first pixel of each area, of the second, ...; the weight 0 where it has fewer."""
    scale, areas = _find_scale(here, there), []
    for number in range(there):
        start = number * scale
        stop, extent = start + scale, min(scale, here - start)
        last = min(math.floor(stop), here - 1)
        first = min(math.ceil(start), last)
        area = [(first - 1, (first - start) / extent)] if first - start > NEGLIGIBLE else []
        area += [(place, 1.0 / extent) for place in range(first, last)]
        area += [(last, min(stop - last, 1.0, extent) / extent)] if stop - last > NEGLIGIBLE else []
        areas.append(area)
    longest = max(map(len, areas))
    padded = [area + [(0, 0.0)] * (longest - len(area)) for area in areas]
    places = [torch.tensor([area[at][0] for area in padded], device=device) for at in range(longest)]
    weights = [
        torch.tensor([area[at][1] for area in padded], dtype=torch.float32, device=device) for at in range(longest)
    ]
    return places, weights


def _interpolate(images: Tensor, target: tuple[int, int], area: bool) -> Tensor:
    """Linear interpolation in fixed point: 11 bits for each weight, 4 bits less for the sum along rows."""
    low, high, before, after = _list_linear_weights(images.shape[3], target[1], area, False, images.device)
    across = images.index_select(3, low).int() * before + images.index_select(3, high).int() * after
    low, high, before, after = _list_linear_weights(images.shape[2], target[0], area, True, images.device)
    across = across >> 4
    above = (across.index_select(2, low) * before[:, None]) >> 16
    below = (across.index_select(2, high) * after[:, None]) >> 16
    return ((above + below + 2) >> 2).clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _list_linear_weights(
    here: int, there: int, area: bool, vertical: bool, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places (there,) of the pixels before and after each position, and their weights; `area` where another side shrinks."""
    scale, listed = _find_scale(here, there), []
    for number in range(there):
        if area:
            place = math.floor(number * scale)
            fraction = np.float32((number + 1) - (place + 1) * (there / here))
            fraction = max(np.float32(0), fraction - np.floor(fraction)) if fraction > 0 else np.float32(0)
        else:
            position = np.float32((number + 0.5) * scale - 0.5)
            place = math.floor(position)
            fraction = position - np.float32(place)
        if not vertical and not 0 <= place < here - 1:
            fraction = np.float32(0)  # along a column OpenCV mixes the pixel of the border with itself
        weights = [int(np.rint(weight * np.float32(FIXED))) for weight in (np.float32(1) - fraction, fraction)]
        listed.append((*(min(max(at, 0), here - 1) for at in (place, place + 1)), *weights))
    low, high, before, after = torch.tensor(listed, device=device).unbind(1)
    return low, high, before.int(), after.int()


@lru_cache(maxsize=64)
def _find_nearest(here: int, there: int) -> Tensor:
    """Places (there,) of the nearest pixels, in fixed point of 16 bits."""
    step = ((here << 16) + there // 2) // there
    return ((torch.arange(there) * step + (step // 2 - here % 2)) >> 16).clamp(0, here - 1)
