"""Where an image comes to lie in a frame of another shape, and how it fills it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

Aspect = Literal["squash", "pad", "crop"]
"""What brings an image into a frame: both of its sides are fitted, whatever becomes of its shape; it is fitted in whole, and
what is left over is ignored; or it fills the frame, and what reaches beyond is cut off."""

ASPECTS: tuple[Aspect, ...] = get_args(Aspect)

ALIKE = 1.02
"""The largest ratio of two aspects that are called the same: sizes are whole pixels."""


class Placement(NamedTuple):
    """Where an image lies.

    Attributes:
        scaled: (height, width) that it is brought to.
        top: of the frame, the row of the image's first row; negative where it is cut off.
        left: likewise, of columns.
        frame: (height, width).
    """

    scaled: tuple[int, int]
    top: int
    left: int
    frame: tuple[int, int]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that show the image."""
        (height, width), (rows, columns) = self.scaled, self.frame
        return (
            slice(max(self.top, 0), min(self.top + height, rows)),
            slice(max(self.left, 0), min(self.left + width, columns)),
        )

    def put(self, levels: np.ndarray, filling: float | np.ndarray) -> np.ndarray:
        """The frame (H, W, ...) of what belongs to the pixels of the scaled image, filled where that does not reach."""
        rows, columns = self.inside
        framed = np.empty((*self.frame, *levels.shape[2:]), levels.dtype)
        framed[...] = filling
        framed[rows, columns] = levels[
            rows.start - self.top : rows.stop - self.top, columns.start - self.left : columns.stop - self.left
        ]
        return framed


def place(
    size: tuple[int, int], frame: tuple[int, int], aspect: Aspect, at: tuple[float, float] = (0.5, 0.5)
) -> Placement:
    """Where an image lies in a frame.

    Args:
        size: (height, width) of the image.
        frame: (height, width).
        aspect: how it is brought into it.
        at: how much of what is left over or reaches beyond lies above and on the left, from 0 to 1.
    """
    if aspect == "squash":
        return Placement(frame, 0, 0, frame)
    ratios = [there / here for there, here in zip(frame, size, strict=True)]
    bound, ratio = (min, min(ratios)) if aspect == "pad" else (max, max(ratios))
    height, width = (max(1, bound(round(here * ratio), there)) for here, there in zip(size, frame, strict=True))
    top, left = (
        round((there - side) * fraction) for there, side, fraction in zip(frame, (height, width), at, strict=True)
    )
    return Placement((height, width), top, left, frame)


def describe_framing(sizes: Sequence[tuple[int, int]], frame: tuple[int, int] | None, aspect: Aspect) -> str:
    """A sentence that says what becomes of images of another aspect than the frame's; empty where there is none.

    Args:
        sizes: (height, width) of each image, such as its file says in its first bytes.
        frame: (height, width); each image's own if `None`.
        aspect: how they are brought into it.
    """
    if frame is None:
        return ""
    ratios = [(frame[0] * width) / (frame[1] * height) for height, width in sizes]
    apart = [ratio for ratio in (max(one, 1 / one) for one in ratios) if ratio > ALIKE]
    if not apart:
        return ""
    which = f"{len(apart)} of {len(sizes)} images have another aspect than {frame[0]} x {frame[1]}"
    fraction = 1 - 1 / max(apart)
    if aspect == "pad":
        return f"{which} and are padded: up to {fraction:.0%} of what is seen is ignored"
    if aspect == "crop":
        return f"{which} and are cropped: up to {fraction:.0%} of an image is neither seen nor scored"
    return (
        f"{which} and are squashed by up to {max(apart):.2f} times: --data.init_args.aspect pad, or crop, keeps theirs"
    )
