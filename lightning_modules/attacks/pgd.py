"""Projected gradient ascent."""

from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_modules.attacks.ball import (
    Generators,
    Norm,
    draw_in_ball,
    draw_nearby,
    find_varying,
    make_step,
    project,
)
from lightning_modules.attacks.base import Attack, Loss, compute_image_gradient
from lightning_modules.attacks.pixel_losses import FUNCTIONS, PIXEL_LOSSES, PixelLoss
from lightning_modules.images import to_unit_range
from lightning_modules.settings import require_count, require_positive
from user_error import UserError

Start = Literal["uniform", "gaussian", "image"]
STARTS: tuple[Start, ...] = get_args(Start)

MOST_STEPS = 10_000
DEVIATION = 0.001
"""Standard deviation of the Gaussian start, as in the code of TRADES (Zhang et al., ICML 2019)."""


class Pgd(Attack):
    """Steps along the sign of the gradient, or its direction, each projected onto the ball (PGD).

    Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018. What the last step finds is
    returned.

    Args:
        eps: radius of the ball, see `Attack`.
        steps: S, at most 10,000; each takes a forward and a backward pass, without gradients of weights.
        step_size: length of a step; 2.5 eps / steps if null, by which all of the ball is in reach from any start.
        norm: of the ball and of the steps, "linf" or "l2".
        start: "uniform" in the ball, "gaussian" (a deviation of 0.001 from the image), or the "image" itself.
        loss: what is raised: "cross_entropy" of the labelled pixels, "masked_cross_entropy" of those that are still right,
            or "jensen_shannon"; see `attacks.pixel_losses`.

    Raises:
        UserError: a radius out of range, no steps, steps of no length, or an unknown norm, start or loss.
    """

    def __init__(
        self,
        eps: float = 4 / 255,
        steps: int = 3,
        step_size: float | None = None,
        norm: Norm = "linf",
        start: Start = "uniform",
        loss: PixelLoss = "cross_entropy",
    ) -> None:
        super().__init__(eps, norm)
        require_count("number of steps of the attack", steps, MOST_STEPS, "such as 3")
        if step_size is not None:
            require_positive("step_size of the attack", step_size, "or null for 2.5 eps / steps")
        if start not in STARTS:
            raise UserError(f"start of the attack is {start!r}: give 'uniform', 'gaussian' or 'image'")
        if loss not in PIXEL_LOSSES:
            raise UserError(f"loss of the attack is {loss!r}: give one of {', '.join(map(repr, PIXEL_LOSSES))}")
        self.steps = steps
        self.step_size = 2.5 * eps / steps if step_size is None else step_size
        self.start = start
        self.loss = loss

    def compute_pixel_losses(self, logits: Tensor, mask: Tensor, done: float) -> Tensor:
        """See `Attack`; the same loss at all steps."""
        return FUNCTIONS[self.loss](logits, mask)  # type: ignore[index]

    def maximise(self, loss: Loss, images: Tensor, generators: Generators) -> Tensor:
        """See `Attack`; at radius 0 the images themselves, without a pass."""
        images = to_unit_range(images).detach()
        if self.eps == 0:
            return images
        varies = find_varying(images)
        found = torch.where(varies, self.draw_start(images, generators), images)
        for step in range(self.steps):
            gradient = varies * compute_image_gradient(loss, found, step / self.steps)
            found = project(found + self.step_size * make_step(gradient, self.norm), images, self.eps, self.norm)
        return found

    def draw_start(self, images: Tensor, generators: Generators) -> Tensor:
        """Where the steps begin (B, C, H, W), of images (B, C, H, W) in [0, 1]."""
        if self.start == "image":
            return images
        if self.start == "gaussian":
            return draw_nearby(images, DEVIATION, self.eps, self.norm, generators)
        return draw_in_ball(images, self.eps, self.norm, generators)
