"""Targets beside the mask that corruptions read, such as the depth of each pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from user_error import UserError

TargetTensors = Mapping[str, Tensor]
"""Dense targets of a batch by name, float (B, H, W), on the device of its images."""

UNITS = {"depth": "metres, along the line of sight or the optical axis"}
"""What the numbers of known targets mean."""


def describe_missing(what: str, name: str) -> str:
    """One sentence: something needs a target which the data do not have, and how they would have it."""
    unit = f" (float32, {UNITS[name]})" if name in UNITS else ""
    return (
        f"{what} needs the {name} of each pixel, which the data do not have: hand it over with image and mask as the target "
        f"{name!r}{unit}, or take another suite or corruption"
    )


def require_needed(what: str, needs: Sequence[str], images: Tensor, targets: Mapping[str, Any]) -> dict[str, Tensor]:
    """The targets that a corruption needs, float32 (B, H, W), contiguous, on the device of the images.

    Args:
        what: name of the corruption.
        needs: names of the targets.
        images: (B, C, H, W).
        targets: of these images, by name.

    Raises:
        UserError: one is missing, or not a number for each pixel.
    """
    found = {}
    for name in needs:
        if name not in targets:
            raise UserError(describe_missing(what, name))
        target, shape = targets[name], (len(images), *images.shape[2:])
        if not isinstance(target, Tensor) or not target.is_floating_point() or tuple(target.shape) != shape:
            kind = getattr(target, "dtype", type(target).__name__)
            raise UserError(
                f"{what} met a {name} of {kind} of shape {tuple(getattr(target, 'shape', ()))} with images of "
                f"{tuple(images.shape)}: hand it one floating-point number for each pixel, (B, H, W)"
            )
        found[name] = target.to(images.device, torch.float32).contiguous()
    return found
