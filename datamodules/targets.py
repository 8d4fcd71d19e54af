"""Named targets that a data set hands over beside image and mask, and how each moves with its image."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from user_error import UserError

TargetType = Literal["classes", "continuous", "whole"]
"""What a target says: class ids of the pixels, uint8 (H, W), 255 where nothing is known; numbers of the pixels, float32
(H, W) or (H, W, N), NaN where nothing is known; or something of the whole image, which no flip and no crop changes.

Numbers move with their pixels and stay what they are: those that name a direction in the image, such as its flow, are none.
"""

Targets = Mapping[str, TargetType]
KNOWN: Targets = {"depth": "continuous", "label": "whole"}
"""What every data set may hand over without a word."""

REMEDY = (
    "declare it in the `targets` of the data set, as 'classes' or 'continuous' of the pixels or as 'whole' of the image"
)


def select_dense(sample: Mapping[str, Any], targets: Targets) -> dict[str, TargetType]:
    """The targets of a sample that move with its image."""
    return {name: kind for name, kind in targets.items() if kind != "whole" and name in sample}


def require_typed(sample: Mapping[str, Any], targets: Targets, where: str) -> None:
    """Refuse targets of which nobody says how they move with their image.

    Args:
        sample: as a data set hands it over.
        targets: that the data set declares.
        where: the id of the sample.

    Raises:
        UserError: a target has no type, or is not of its type.
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
