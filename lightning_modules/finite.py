"""Refusal of logits that are not finite, whose argmax would silently be the first class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from user_error import UserError


def find_finite(logits: Tensor) -> Tensor:
    """Which images of logits (B, K, H, W) are finite everywhere: bool (B,), on their device."""
    return torch.isfinite(
        logits.sum((1, 2, 3), dtype=torch.float32)
    )  # one pass: a value that is not finite propagates to the sum


def require_finite(finite: Tensor, ids: Sequence[str], conditions: Sequence[str] = ()) -> None:
    """Refuse a batch in which an image has logits that are not finite.

    Args:
        finite: bool (conditions, B); see `find_finite`.
        ids: of the images.
        conditions: names of the conditions; empty where there are none.

    Raises:
        UserError: logits are not finite.
    """
    if bool(finite.all()):
        return
    condition, image = (~finite).nonzero()[0].tolist()
    under = f" under {conditions[condition]!r}" if conditions else ""
    raise UserError(
        f"the network's logits of the image {ids[image] if ids else image}{under} are not all finite numbers, and no score "
        "can be made of them: its weights or a value of the image overflow (try --trainer.precision 32-true, or look at its "
        "training)"
    )
