"""The input of a network for an image: resized, and perhaps padded, with the region that shows the image."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from datamodules.aspect import Aspect, place
from datamodules.transforms import Resize


class NetworkInput(NamedTuple):
    """An image (h, w, C) uint8, and the rows and columns of it that show the file's image, all of which they show."""

    image: np.ndarray
    inside: tuple[slice, slice]

    def cut(self, outputs: Tensor) -> Tensor:
        """The outputs (..., h, w) of a network, cropped to the region of the image."""
        return outputs[..., self.inside[0], self.inside[1]]


def make_network_input(image: np.ndarray, size: tuple[int, int] | None, aspect: Aspect) -> NetworkInput:
    """An image (H, W, C) as a training saw its images.

    Where these were cut, the complete image is resized at the same scale, so that every pixel is predicted.

    Args:
        image: of a file.
        size: (height, width) of the training's; the image's own if `None`.
        aspect: how images of another shape were brought to it.
    """
    own = (image.shape[0], image.shape[1])
    if size is not None and aspect == "crop":
        size, aspect = place(own, size, "crop").scaled, "squash"
    resized = Resize(size, aspect=aspect)({"image": image, "mask": np.zeros(own, np.uint8)})["image"]
    return NetworkInput(resized, place(own, size or own, aspect).inside)
