"""Value ranges of the images of a batch."""

import torch
from torch import Tensor


def to_unit_range(image: Tensor) -> Tensor:
    """Convert 8-bit images to floats in [0, 1]; float images are returned unchanged."""
    return image if image.is_floating_point() else image.float() / 255


def to_type(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert images, 8 bit or floats in [0, 1], to one of these types; floats are rounded to the nearest of 256 levels."""
    if dtype == torch.uint8:
        return (image * 255).round_().to(dtype) if image.is_floating_point() else image
    return to_unit_range(image).to(dtype)
