"""The base of noise of drawn strength."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.batch_transforms.drawn_strength import draw_strengths
from lightning_modules.draws import make_device_generator
from lightning_modules.images import to_type, to_unit_range
from lightning_modules.settings import require_probability, require_range
from lightning_modules.training_batch import TrainingBatch


class DrawnNoise(BatchTransform):
    """Normal noise, independent for each pixel and channel, whose standard deviation is drawn for each image.

    Images keep their type: 8-bit ones are rounded to levels, as a sweep shows them, and floats stay within [0, 1].

    Args:
        standard_deviation: range [low, high] of the uniformly distributed standard deviation, relative to the image's range.
        probability: probability with which an image is changed.

    Raises:
        UserError: the range or the probability is out of bounds.
    """

    keeps_targets = True

    def __init__(self, standard_deviation: Sequence[float], probability: float) -> None:
        name = type(self).__name__
        require_range(name, "standard_deviation", standard_deviation, 1.0)
        require_probability(name, probability)
        self.standard_deviation = (standard_deviation[0], standard_deviation[1])
        self.probability = probability

    def __call__(self, batch: TrainingBatch, generator: torch.Generator) -> TrainingBatch:
        """Noisy images; targets as they are."""
        device = batch.image.device
        deviation = draw_strengths(self.standard_deviation, self.probability, len(batch.image), generator)
        source = make_device_generator(generator, device)
        noise = torch.randn(batch.image.shape, generator=source, device=device).mul_(deviation.to(device))
        noisy = self.add(to_unit_range(batch.image), noise, generator).clamp_(0, 1)
        return replace(batch, image=to_type(noisy, batch.image.dtype))

    @abstractmethod
    def add(self, image: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """A new tensor: the images with noise.

        Args:
            image: float (B, C, H, W) in [0, 1]; not to be modified.
            noise: float (B, C, H, W) of the drawn standard deviations, 0 where an image stays; may be modified.
            generator: on the CPU, for further draws.
        """
