"""Gaussian noise of drawn strength."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_modules.batch_transforms.drawn_noise import DrawnNoise


class GaussianNoise(DrawnNoise):
    """Additive Gaussian noise in training, which Rusak et al. (ECCV 2020) show to help against further corruptions.

    Their standard deviation is fixed, and the best of several; here it is drawn between nothing and theirs for each image, so
    that weak noise is met too.

    Args:
        standard_deviation: range [low, high] of the uniformly distributed standard deviation, relative to the image's range.
        probability: probability with which an image is changed.

    Raises:
        UserError: the range or the probability is out of bounds.
    """

    def __init__(self, standard_deviation: Sequence[float] = (0.0, 0.5), probability: float = 0.5) -> None:
        super().__init__(standard_deviation, probability)

    def add(self, image: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """See `DrawnNoise`."""
        return noise.add_(image)
