"""Speckle noise of drawn strength."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_modules.batch_transforms.drawn_noise import DrawnNoise


class SpeckleNoise(DrawnNoise):
    """Multiplicative noise in training, in proportion to the level, as of coherent light (Rusak et al., ECCV 2020).

    The strongest of the default range is that of the corruption ``speckle_noise`` at severity 5.

    Args:
        standard_deviation: range [low, high] of the uniformly distributed standard deviation, relative to the level.
        probability: probability with which an image is changed.

    Raises:
        UserError: the range or the probability is out of bounds.
    """

    def __init__(self, standard_deviation: Sequence[float] = (0.0, 0.6), probability: float = 0.5) -> None:
        super().__init__(standard_deviation, probability)

    def add(self, image: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """See `DrawnNoise`."""
        return noise.add_(1).mul_(image)
