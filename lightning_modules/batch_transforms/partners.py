"""Partners: the other image of a batch from which an image gets something."""

from collections.abc import Sequence

import torch
from torch import Tensor

from user_error import UserError


def draw_partners(number: int, generator: torch.Generator) -> Tensor:
    """Draw the index of another image for each image of a batch of at least two, (B,)."""
    return (torch.arange(number) + torch.randint(1, number, (number,), generator=generator)) % number


def require_partners(methods: Sequence[str], number: int) -> None:
    """Refuse methods that mix images where no image has another one beside it, so that they would do nothing.

    Args:
        methods: names of those that mix images.
        number: B, of whole batches.

    Raises:
        UserError: there are such methods, and batches of one image.
    """
    if methods and number == 1:
        raise UserError(
            f"{methods[0]} gives an image something of another one of its batch, and batches have one image: train with "
            "--data.init_args.batch_size 2 or more, or leave it out"
        )
