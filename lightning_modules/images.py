"""What the images of the batch contract hold."""

from torch import Tensor


def to_unit_range(image: Tensor) -> Tensor:
    """Images of 8 bits as floats in [0, 1]; those that are floats stay as they are."""
    return image if image.is_floating_point() else image.float() / 255
