"""Value ranges of the images of a batch."""

from torch import Tensor


def to_unit_range(image: Tensor) -> Tensor:
    """Convert 8-bit images to floats in [0, 1]; float images are returned unchanged."""
    return image if image.is_floating_point() else image.float() / 255
