"""Named targets of a data set beside image and mask, and how each is transformed with its image."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from user_error import UserError

TargetType = Literal["classes", "continuous", "whole"]
"""Type of a target. "classes": class ids of the pixels, uint8 (H, W), 255 where unknown. "continuous": numbers of the
pixels, float32 (H, W) or (H, W, N), NaN where unknown. "whole": a property of the complete image, which no flip and no crop
changes.

Numbers are moved with their pixels but not changed: vectors in image coordinates, such as optical flow, are not supported.
"""

Targets = Mapping[str, TargetType]
KNOWN: Targets = {"depth": "continuous", "label": "whole"}
"""Targets that every data set may have without declaring them."""


def declare_targets(**further: TargetType) -> Targets:
    """Types of a data set's targets: those of `KNOWN`, and of further ones by name."""
    return {**KNOWN, **further}  # a plain mapping, which spawned loader processes can unpickle


REMEDY = (
    "declare it in the `targets` of the data set, as 'classes' or 'continuous' of the pixels or as 'whole' of the image"
)


def select_dense(sample: Mapping[str, Any], targets: Targets) -> dict[str, TargetType]:
    """The targets of a sample that are transformed with its image."""
    return {name: kind for name, kind in targets.items() if kind != "whole" and name in sample}


def require_present(sample: Mapping[str, Any], needs: Sequence[str], where: str) -> None:
    """Refuse a sample without a target by which images are corrupted.

    Args:
        sample: of a data set.
        needs: names of the targets.
        where: id of the sample, for the message.

    Raises:
        UserError: it lacks one.
    """
    for name in needs:
        if name not in sample:
            raise UserError(
                f"the suite corrupts images by the {name} of each pixel, and {where!r} has no target {name!r}: let the data hand "
                "it over with image and mask (float32, one number for each pixel), or take another suite"
            )


def require_typed(sample: Mapping[str, Any], targets: Targets, where: str) -> None:
    """Refuse targets without a declared type, or of another type than declared.

    Args:
        sample: of a data set.
        targets: the declared types.
        where: id of the sample, for the message.

    Raises:
        UserError: a target has no declared type, or another one.
    """
    size = sample["image"].shape[:2]
    for name, value in sample.items():
        if name in ("image", "mask"):
            continue
        shape, kind = tuple(getattr(value, "shape", ())), targets.get(name)
        if kind is None:
            raise UserError(
                f"the target {name!r} of {where!r} has no type, so that nobody knows how it is flipped, resized and mixed with "
                f"its image: {REMEDY}"
            )
        if kind in ("classes", "continuous") and not _is_of_type(value, kind, size):
            needed = "uint8 (H, W)" if kind == "classes" else "float32 (H, W) or (H, W, N)"
            raise UserError(
                f"the target {name!r} of {where!r} is {getattr(value, 'dtype', type(value).__name__)} {shape} beside an image of "
                f"{size[0]} x {size[1]}: as {kind!r} it must be a NumPy array, {needed}"
            )


def _is_of_type(value: Any, kind: TargetType, size: tuple[int, int]) -> bool:
    if not isinstance(value, np.ndarray) or value.shape[:2] != size:
        return False
    if kind == "classes":
        return value.ndim == 2 and value.dtype == np.uint8
    return value.ndim in (2, 3) and value.dtype in (np.float32, np.float64)
