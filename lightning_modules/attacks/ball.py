"""The ball around each image in which an attack stays, intersected with [0, 1]."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from user_error import UserError

Norm = Literal["linf", "l2"]
NORMS: tuple[Norm, ...] = get_args(Norm)

Generators = torch.Generator | Sequence[torch.Generator]
"""On the CPU: one for a whole batch, or one for each image, whose draws then do not depend on the others."""

TINY = 1e-12


def require_radius(eps: float, norm: str) -> None:
    """Refuse a ball that cannot be.

    Raises:
        UserError: an unknown norm, or a radius out of range.
    """
    if norm not in NORMS:
        raise UserError(f"norm of the attack is {norm!r}: give 'linf' or 'l2'")
    if norm == "linf" and not 0 <= eps <= 1:
        raise UserError(
            f"eps of the attack is {eps}: give a part of the range of the image from 0 to 1, such as 0.0157 for 4 of 255 levels"
        )
    if not 0 <= eps < math.inf:
        raise UserError(f"eps of the attack is {eps}: give a Euclidean distance of at least 0, such as 0.5")


def draw_in_ball(images: Tensor, eps: float, norm: Norm, generators: Generators) -> Tensor:
    """Images at uniformly drawn places of their balls, clamped to [0, 1].

    Args:
        images: (B, C, H, W), float in [0, 1].
        eps: radius of the ball.
        norm: of the ball.
        generators: see `Generators`.
    """
    if norm == "linf":
        noise = _draw(torch.rand, images, generators).mul_(2 * eps).sub_(eps)
        return (images + noise).clamp_(0, 1)
    direction = _draw(torch.randn, images, generators)
    size = images[0].numel()
    radius = eps * _draw(torch.rand, images[:, :1, :1, :1], generators) ** (1 / size)
    return (images + direction * (radius / _measure(direction))).clamp_(0, 1)


def draw_nearby(images: Tensor, deviation: float, eps: float, norm: Norm, generators: Generators) -> Tensor:
    """Images with a little Gaussian noise, projected onto their balls.

    Args:
        images: (B, C, H, W), float in [0, 1].
        deviation: standard deviation of the noise.
        eps: radius of the ball.
        norm: of the ball.
        generators: see `Generators`.
    """
    return project(images + deviation * _draw(torch.randn, images, generators), images, eps, norm)


def find_varying(images: Tensor) -> Tensor:
    """The channels of each image that are not constant, bool (B, C, 1, 1)."""
    return images.amax((2, 3), keepdim=True) > images.amin((2, 3), keepdim=True)


def make_step(gradient: Tensor, norm: Norm) -> Tensor:
    """The step of length 1 (B, C, H, W) along which the loss rises most; none where the gradient is not finite.

    Args:
        gradient: of the loss by the images (B, C, H, W).
        norm: by which the length is measured.
    """
    gradient = gradient.nan_to_num(0, 0, 0)
    return gradient.sign() if norm == "linf" else gradient / _measure(gradient)


def project(perturbed: Tensor, images: Tensor, eps: float, norm: Norm) -> Tensor:
    """Perturbed images (B, C, H, W) brought back into the balls of their images, and into [0, 1].

    Args:
        perturbed: (B, C, H, W).
        images: (B, C, H, W), float in [0, 1].
        eps: radius of the ball.
        norm: of the ball.
    """
    if norm == "linf":
        return torch.clamp(perturbed, images - eps, images + eps).clamp_(0, 1)
    difference = perturbed - images
    return (images + difference * (eps / _measure(difference)).clamp(max=1)).clamp_(0, 1)  # which only comes nearer


def _measure(difference: Tensor) -> Tensor:
    """Euclidean norms (B, 1, 1, 1)."""
    return difference.flatten(1).norm(dim=1).clamp(min=TINY).view(-1, 1, 1, 1)


def _draw(distribution: Callable[..., Tensor], images: Tensor, generators: Generators) -> Tensor:
    """Numbers of the shape, the type and the device of images."""
    if isinstance(generators, torch.Generator):
        return distribution(images.shape, generator=generators).to(images)
    return torch.stack([distribution(images.shape[1:], generator=one) for one in generators]).to(images)
