"""Strengths of batch transforms, drawn for each image."""

import torch
from torch import Tensor


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
