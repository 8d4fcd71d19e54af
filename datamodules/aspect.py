"""How an image is fitted into a frame of another aspect ratio."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

Aspect = Literal["squash", "pad", "crop", "keep"]
"""How an image is fitted into a frame. "squash": both sides are scaled to those of the frame, which distorts it. "pad": it
is scaled to lie completely within the frame, and the rest is ignored. "crop": it is scaled to cover the frame, and what
reaches beyond is cut off. "keep": it is scaled to lie within the frame, whichever way that is turned, and has no frame
afterwards, so that sizes differ (mmsegmentation's ``keep_ratio``)."""

ASPECTS: tuple[Aspect, ...] = get_args(Aspect)

Interpolation = Literal["area", "linear"]
"""How images shrink: averaged over areas, or interpolated linearly without, as mmsegmentation does. They grow linearly."""

ALIKE = 1.02
"""The largest ratio of two aspect ratios that count as equal, since sizes are rounded to pixels."""


class Placement(NamedTuple):
    """Size and position of an image in a frame.

    Attributes:
        scaled: (height, width) to which the image is scaled.
        top: row of the frame in which the image begins; negative where the image is cropped.
        left: likewise, the column.
        frame: (height, width).
    """

    scaled: tuple[int, int]
    top: int
    left: int
    frame: tuple[int, int]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the image covers."""
        (height, width), (rows, columns) = self.scaled, self.frame
        return (
            slice(max(self.top, 0), min(self.top + height, rows)),
            slice(max(self.left, 0), min(self.left + width, columns)),
        )

    def put(self, levels: np.ndarray, filling: float | np.ndarray) -> np.ndarray:
        """Place values (h, w, ...) of the scaled image into a frame (H, W, ...), with `filling` elsewhere."""
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
    """Compute size and position of an image in a frame.

    Args:
        size: (height, width) of the image.
        frame: (height, width).
        aspect: how the image is fitted.
        at: fractions, from 0 to 1, of the padded or cropped rows that lie above the image, and of the columns on its left.
    """
    if aspect == "squash":
        return Placement(frame, 0, 0, frame)
    if aspect == "keep":
        kept = keep_ratio(size, frame)
        return Placement(kept, 0, 0, kept)
    ratios = [there / here for there, here in zip(frame, size, strict=True)]
    bound, ratio = (min, min(ratios)) if aspect == "pad" else (max, max(ratios))
    height, width = (max(1, bound(round(here * ratio), there)) for here, there in zip(size, frame, strict=True))
    top, left = (
        round((there - side) * fraction) for there, side, fraction in zip(frame, (height, width), at, strict=True)
    )
    return Placement((height, width), top, left, frame)


def keep_ratio(size: tuple[int, int], scale: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of an image that is scaled until its longer or its shorter side is that of `scale`."""
    factor = min(max(scale) / max(size), min(scale) / min(size))
    height, width = (max(1, int(side * factor + 0.5)) for side in size)
    return height, width


def list_kept_sizes(size: tuple[int, int], scale: tuple[int, int], multiple: int = 1) -> list[tuple[int, int]]:
    """The sizes that an image is brought to one after the other: its ratio kept, then up to multiples of `multiple`.

    In two steps, as SegFormer does (``AlignedResize``; in mmsegmentation ``Resize`` and ``ResizeToMultiple``).
    """
    kept = keep_ratio(size, scale)
    aligned = (-(-kept[0] // multiple) * multiple, -(-kept[1] // multiple) * multiple)
    return [kept, *([aligned] if aligned != kept else [])]


def describe_framing(sizes: Sequence[tuple[int, int]], frame: tuple[int, int] | None, aspect: Aspect) -> str:
    """Describe what happens to images whose aspect ratio differs from the frame's; an empty text where there is none.

    Args:
        sizes: (height, width) of each image, as the header of its file states.
        frame: (height, width); each image keeps its own size if `None`.
        aspect: how the images are fitted.
    """
    if frame is None or aspect == "keep":
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
