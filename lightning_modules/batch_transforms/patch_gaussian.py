"""Patch Gaussian: noise in a square of each image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_modules.batch_transforms.drawn_noise import DrawnNoise
from lightning_modules.batch_transforms.drawn_square import draw_squares
from lightning_modules.settings import require_range


class PatchGaussian(DrawnNoise):
    """Gaussian noise within a square patch of each image, and the image as it is around it.

    Lopes et al., "Improving Robustness Without Sacrificing Accuracy with Patch Gaussian Augmentation" (arXiv:1906.02611, 2019).
    As in the paper every image has one patch, whose middle is a pixel of the image, so that the patch may reach beyond the
    border, and the size of the patch and the standard deviation are uniform up to the highest. The defaults are about those of
    the paper for ImageNet: patches of up to 250 pixels in images of 224, and noise of up to 1.

    Args:
        side: range [low, high] of the side of a patch, relative to the shorter side of the image.
        standard_deviation: range [low, high] of the standard deviation, relative to the image's range.
        probability: probability with which an image is changed.

    Raises:
        UserError: a range or the probability is out of bounds.
    """

    def __init__(
        self,
        side: Sequence[float] = (0.0, 1.0),
        standard_deviation: Sequence[float] = (0.0, 1.0),
        probability: float = 1.0,
    ) -> None:
        super().__init__(standard_deviation, probability)
        require_range(type(self).__name__, "side", side, 2.0)
        self.side = (side[0], side[1])

    def add(self, image: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """See `DrawnNoise`."""
        height, width = image.shape[2:]
        inside = draw_squares(self.side, len(image), height, width, generator)
        return noise.mul_(inside[:, None].to(noise.device)).add_(image)
