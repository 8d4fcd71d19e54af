"""The base of attacks, with which networks are trained and tested alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_modules.attacks.ball import Generators, Norm, require_radius
from user_error import UserError

Answer = Callable[[Tensor], Tensor | Sequence[Tensor]]
"""A network, or another function of images (B, C, H, W): its logits (B, K, H, W), or those of each of its members."""

Loss = Callable[[Tensor, float], Tensor]
"""Images (B, C, H, W) and the part of the steps that are done, from 0 to below 1, to a scalar: a sum over images."""

WeightedMasks = Sequence[tuple[float, Tensor]]


class Attack(ABC):
    """Searches, in a ball around each image and in [0, 1], for an image that raises a loss.

    A channel that is constant over an image stays as it is, so that a missing modality does not turn up by being attacked.
    Nothing is added to the gradients of parameters. In which mode the network is, and whether it normalises by the
    statistics of the batch, is up to the caller; see `attacks.held_network`. Objectives train with what it finds
    (`objectives.adversarial`), and a condition of a sweep may test by it, with a generator for each image.

    Args:
        eps: radius of the ball; images have the range [0, 1], so that 4 of 255 levels are 0.0157.
        norm: of the ball, "linf" (the largest change of a value) or "l2" (the Euclidean length of an image's change).

    Raises:
        UserError: a radius out of range, or an unknown norm.
    """

    loss: str
    """Name of the loss of each pixel that it raises."""

    steps: int
    """Gradients that a search takes."""

    def __init__(self, eps: float, norm: Norm) -> None:
        require_radius(eps, norm)
        self.eps = eps
        self.norm: Norm = norm

    def __call__(self, answer: Answer, images: Tensor, masks: Tensor | WeightedMasks, generators: Generators) -> Tensor:
        """Images (B, C, H, W), float in [0, 1], at which the network is further from the masks.

        Args:
            answer: of several members the mean loss is raised.
            images: (B, C, H, W), uint8 or float in [0, 1]; not modified.
            masks: class ids (B, H, W), 255 where ignored; or several, with weights, as blended images have them.
            generators: for all random draws, see `ball.Generators`.

        Raises:
            UserError: no gradient leads to the images.
        """
        sets = [(1.0, masks)] if isinstance(masks, Tensor) else masks

        def compute_loss(perturbed: Tensor, done: float) -> Tensor:
            found = answer(perturbed)
            members = [found] if isinstance(found, Tensor) else found
            sums = [
                weight * self.compute_pixel_losses(logits, mask, done).sum()
                for logits in members
                for weight, mask in sets
            ]
            return torch.stack(sums).sum() / len(members)

        return self.maximise(compute_loss, images, generators)

    @abstractmethod
    def compute_pixel_losses(self, logits: Tensor, mask: Tensor, done: float) -> Tensor:
        """The losses (B, H, W) that it raises, 0 where a pixel is ignored.

        Args:
            logits: (B, K, H, W).
            mask: class ids (B, H, W), 255 where ignored.
            done: part of the steps that are done, from 0 to below 1.
        """

    @abstractmethod
    def maximise(self, loss: Loss, images: Tensor, generators: Generators) -> Tensor:
        """Images (B, C, H, W), float in [0, 1], within the balls of given ones that raise any loss of images.

        Args:
            loss: that is raised.
            images: (B, C, H, W), uint8 or float in [0, 1]; not modified.
            generators: for all random draws, see `ball.Generators`.

        Raises:
            UserError: no gradient leads to the images.
        """


def compute_image_gradient(loss: Loss, images: Tensor, done: float) -> Tensor:
    """The gradient (B, C, H, W) of a loss by the images, and by nothing else.

    Raises:
        UserError: the loss does not depend on the images by operations that have a gradient.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        value = loss(images, done)
        found = torch.autograd.grad(value, images, allow_unused=True)[0] if value.requires_grad else None
    if found is None:
        raise UserError(
            "no gradient leads from the loss of the network to its images, which an attack follows: take a network that is "
            "differentiable in the image (one of classical features with 'image' true), or leave the attack out"
        )
    return found
