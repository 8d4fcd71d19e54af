"""Geometric transforms of the scene, in two conventions that the names distinguish.

``*_mask_moved``: image and mask are transformed together. This measures whether a network recognises objects in another
pose. Pixels from outside the image are black, and ignored in the mask.

``*_mask_left``: the image is transformed and the mask is not. This also measures the misalignment of image and annotation,
as the elastic transform of ImageNet-C does when a segmentation network is scored by the mask of the clean image.

Engstrom et al., "Exploring the Landscape of Spatial Robustness" (ICML 2019), show how much rotations and translations
alone degrade networks. Severities are our choice. Images are interpolated bilinearly, masks by the nearest pixel, at the
same coordinates.
"""

from abc import abstractmethod
from math import cos, radians, sin
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption, count_images_per_chunk
from datamodules.corruptions.declaration import declare, require_declared
from datamodules.corruptions.digital import ElasticTransform
from datamodules.corruptions.further_targets import TargetTensors
from datamodules.corruptions.kernels.elastic import draw_displacement, warp
from datamodules.corruptions.kernels.random import draw_bits
from datamodules.corruptions.kernels.soft_shapes import draw_directions
from datamodules.dataset import IGNORED


class Geometric(Corruption):
    """A change of coordinates of the image; the mask is unchanged, unless a subclass mixes in `MaskMoved`."""

    family = "geometric"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        require_declared(cls, cls.compute_displacement, ("self", "keys", "height", "width"))

    @abstractmethod
    def compute_displacement(self, keys: Tensor, height: int, width: int, *_: Any, **parameters: Any) -> Tensor:
        """Offset of the source of each pixel: float32 (B, 2, H, W) in pixels, downwards and to the right."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, **parameters: Any) -> Tensor:
        return self._warp(images, self.compute_displacement(keys, images.shape[2], images.shape[3], **parameters))

    def _warp(self, images: Tensor, displacement: Tensor) -> Tensor:
        return warp(images, displacement).masked_fill_(_find_outside(displacement)[:, None], 0)


class MaskMoved(Geometric):
    """Mixin that transforms the mask with the image."""

    moves_masks = True

    @override
    def apply(
        self, images: Tensor, masks: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check(images, severity, keys)
        if not images.numel():
            return images.clone(), masks
        batch = (images.contiguous(), masks, keys.to(images.device))
        scenes = []
        for some, regions, drawn in zip(*(part.split(count_images_per_chunk(images)) for part in batch), strict=True):
            displacement = self.compute_displacement(drawn, images.shape[2], images.shape[3], **self.look_up(severity))
            scenes.append((self._warp(some, displacement), self._warp_mask(regions, displacement)))
        moved, scored = (torch.cat(part) for part in zip(*scenes, strict=True))
        return moved, scored

    def _warp_mask(self, masks: Tensor, displacement: Tensor) -> Tensor:
        return sample_nearest(masks, displacement).masked_fill_(_find_outside(displacement), IGNORED)


def _compute_positions(displacement: Tensor) -> list[Tensor]:
    """Source rows and columns of each pixel, float32 (B, H, W) each."""
    sides = displacement.shape[2:]
    rows, columns = (torch.arange(side, dtype=torch.float32, device=displacement.device) for side in sides)
    return [displacement[:, 0] + rows[:, None], displacement[:, 1] + columns]


def _find_outside(displacement: Tensor) -> Tensor:
    """Bool (B, H, W): where the nearest source pixel lies beyond the border."""
    down, right = _compute_positions(displacement)
    height, width = displacement.shape[2:]
    return (down < -0.5) | (down >= height - 0.5) | (right < -0.5) | (right >= width - 0.5)


def sample_nearest(masks: Tensor, displacement: Tensor) -> Tensor:
    """The nearest pixel of each place that `displacement` leads to; beyond the border, mirrored with its edge repeated."""
    places = []
    for position, side in zip(_compute_positions(displacement), masks.shape[1:], strict=True):
        index = position.add(0.5).floor_().to(torch.int64).remainder_(2 * side)
        places.append(torch.minimum(index, 2 * side - 1 - index))
    down, right = places
    return masks.flatten(1).gather(1, (down * masks.shape[2] + right).flatten(1)).view_as(masks)


def _compute_affine(matrix: Tensor, height: int, width: int) -> Tensor:
    """Displacement of a linear map about the centre of the image.

    Args:
        matrix: float32 (B, 2, 2), from (row, column) of the result to those of the source.
        height: of the image.
        width: of the image.
    """
    rows = torch.arange(height, dtype=torch.float32, device=matrix.device).sub_((height - 1) / 2)[:, None]
    columns = torch.arange(width, dtype=torch.float32, device=matrix.device).sub_((width - 1) / 2)
    residual = matrix - torch.eye(2, device=matrix.device)
    row, column = (residual[:, :, place, None, None] for place in (0, 1))
    return (row * rows).add(column * columns)


def _draw_sign(keys: Tensor) -> Tensor:
    """float32 (B,): 1 or -1, with equal probability."""
    return draw_bits(keys, (1,)).bitwise_and_(1).mul_(2).sub_(1).view(-1).to(torch.float32)


class Rotation(Geometric):
    """Rotation about the centre, in a random direction."""

    severities = declare(degrees=(3, 7, 12, 20, 35))

    @override
    def compute_displacement(self, keys: Tensor, height: int, width: int, *, degrees: int) -> Tensor:
        angle, sign = radians(degrees), _draw_sign(keys)
        straight, crossed = torch.full_like(sign, cos(angle)), sign * sin(angle)
        matrix = torch.stack((straight, crossed, -crossed, straight), 1).view(-1, 2, 2)
        return _compute_affine(matrix, height, width)


class Magnification(Geometric):
    """Magnification about the centre."""

    severities = declare(factor=(1.08, 1.2, 1.38, 1.65, 2.1))

    @override
    def compute_displacement(self, keys: Tensor, height: int, width: int, *, factor: float) -> Tensor:
        scale = torch.eye(2, device=keys.device).div(factor)
        return _compute_affine(scale.expand(len(keys), -1, -1), height, width)


class Reduction(Magnification):
    """Reduction about the centre."""

    severities = declare(factor=(0.93, 0.83, 0.72, 0.6, 0.48))


class Translation(Geometric):
    """Translation in a random direction."""

    severities = declare(share=(0.02, 0.05, 0.09, 0.15, 0.25))
    """Distance relative to the shorter side."""

    @override
    def compute_displacement(self, keys: Tensor, height: int, width: int, *, share: float) -> Tensor:
        offset = draw_directions(keys, (1, 1), stream=0).mul(share * min(height, width))
        return offset.permute(1, 0, 2, 3).expand(-1, -1, height, width)


class Shear(Geometric):
    """Horizontal shear, in a random direction."""

    severities = declare(slope=(0.06, 0.13, 0.22, 0.36, 0.6))
    """Horizontal shift from one row to the next, in pixels."""

    @override
    def compute_displacement(self, keys: Tensor, height: int, width: int, *, slope: float) -> Tensor:
        matrix = torch.eye(2, device=keys.device).repeat(len(keys), 1, 1)
        matrix[:, 1, 0] = _draw_sign(keys) * slope
        return _compute_affine(matrix, height, width)


class RotationMaskMoved(Rotation, MaskMoved):
    """`Rotation` of image and mask."""

    name = "rotation_mask_moved"


class RotationMaskLeft(Rotation):
    """`Rotation` of the image alone."""

    name = "rotation_mask_left"


class MagnificationMaskMoved(Magnification, MaskMoved):
    """`Magnification` of image and mask."""

    name = "magnification_mask_moved"


class MagnificationMaskLeft(Magnification):
    """`Magnification` of the image alone."""

    name = "magnification_mask_left"


class ReductionMaskMoved(Reduction, MaskMoved):
    """`Reduction` of image and mask."""

    name = "reduction_mask_moved"


class ReductionMaskLeft(Reduction):
    """`Reduction` of the image alone."""

    name = "reduction_mask_left"


class TranslationMaskMoved(Translation, MaskMoved):
    """`Translation` of image and mask."""

    name = "translation_mask_moved"


class TranslationMaskLeft(Translation):
    """`Translation` of the image alone."""

    name = "translation_mask_left"


class ShearMaskMoved(Shear, MaskMoved):
    """`Shear` of image and mask."""

    name = "shear_mask_moved"


class ShearMaskLeft(Shear):
    """`Shear` of the image alone."""

    name = "shear_mask_left"


class ElasticMaskMoved(MaskMoved):
    """The elastic transform of ImageNet-C, applied to the mask too; `ElasticTransform` leaves the mask unchanged.

    The border is mirrored in both, so nothing is ignored.
    """

    name = "elastic_mask_moved"
    severities = ElasticTransform.severities

    @override
    def compute_displacement(self, keys: Tensor, height: int, width: int, *, alpha: float) -> Tensor:
        return draw_displacement(keys, height, width, alpha)

    @override
    def _warp(self, images: Tensor, displacement: Tensor) -> Tensor:
        return warp(images, displacement)

    @override
    def _warp_mask(self, masks: Tensor, displacement: Tensor) -> Tensor:
        return sample_nearest(masks, displacement)
