"""Strengths and probabilities of batch transforms, drawn for each image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from user_error import UserError


def require_range(owner: str, name: str, given: Sequence[float], highest: float) -> None:
    """Refuse a range that is none, or that holds 0 alone.

    Args:
        owner: name of the method, for the message.
        name: of the argument.
        given: the lowest and the highest value.
        highest: that the argument may have.

    Raises:
        UserError: there are not two values in order, or one is out of bounds.
    """
    if len(given) != 2 or not 0 <= given[0] <= given[1] <= highest or not given[1]:
        raise UserError(
            f"the {name} of {owner} is {list(given)}: give [low, high], from 0 to {highest:g}, of which high is above 0"
        )


def draw_strengths(
    strength: tuple[float, float], probability: float, number: int, generator: torch.Generator
) -> Tensor:
    """Draw a strength for each image: uniform between two values, or 0 where the image is left as it is.

    Args:
        strength: lowest and highest.
        probability: with which an image is changed.
        number: B.
        generator: on the CPU.

    Returns:
        float32 (B, 1, 1, 1).
    """
    chosen, place = torch.rand(2, number, 1, 1, 1, generator=generator)
    low, high = strength
    return (low + (high - low) * place) * (chosen < probability)
