"""The resize of evaluation for batches on their device, for images that were corrupted at their own size."""

import torch
from torch import Tensor

from datamodules.aspect import Aspect, Interpolation, Placement, list_kept_sizes, place
from datamodules.dataset import IGNORED
from datamodules.opencv_resize import resize_images, resize_masks


class BatchResize:
    """Gives images and masks on any device the very pixels that `datamodules.transforms.Resize` gives them one by one.

    Args:
        size: (height, width); every image keeps its own if `None`.
        aspect: how images of another aspect ratio are fitted.
        multiple: with the aspect "keep", sides are brought up to multiples of it.
        interpolation: how images shrink.
    """

    def __init__(
        self,
        size: tuple[int, int] | None,
        aspect: Aspect = "squash",
        multiple: int = 1,
        interpolation: Interpolation = "area",
    ) -> None:
        self.size = size
        self.aspect: Aspect = aspect
        self.multiple = multiple
        self.interpolation: Interpolation = interpolation

    def resize_images(self, images: Tensor) -> Tensor:
        """Images of one size, resized; where they are padded, the mean colour of each fills its frame.

        Args:
            images: uint8 (B, C, H, W).
        """
        if (kept := self._kept(images)) is not None:
            for target in kept:
                images = resize_images(images, target, self.interpolation)
            return images
        placement = self._place(images)
        if placement is None:
            return images
        scaled = resize_images(images, placement.scaled, self.interpolation)
        if placement.scaled == placement.frame:
            return scaled
        return _put(scaled, placement, _find_mean_levels(scaled)[..., None, None])

    def resize_masks(self, masks: Tensor) -> Tensor:
        """Masks of one size, resized; all is ignored where their images are padded.

        Args:
            masks: class ids (B, H, W), 255 where ignored.
        """
        if (kept := self._kept(masks)) is not None:
            for target in kept:
                masks = resize_masks(masks, target)
            return masks
        placement = self._place(masks)
        if placement is None:
            return masks
        scaled = resize_masks(masks, placement.scaled)
        if placement.scaled == placement.frame:
            return scaled
        return _put(scaled, placement, torch.full_like(scaled[:, :1, :1], IGNORED))

    def find_inside(self, own: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns that show an image of this (height, width) after the resize."""
        if self.size is None or self.aspect != "pad":
            return slice(None), slice(None)
        return place(own, self.size, self.aspect).inside

    def _kept(self, pixels: Tensor) -> list[tuple[int, int]] | None:
        """The sizes that pixels (..., H, W) are brought to one after the other, where their ratio is kept."""
        if self.size is None or self.aspect != "keep":
            return None
        return list_kept_sizes((pixels.shape[-2], pixels.shape[-1]), self.size, self.multiple)

    def _place(self, pixels: Tensor) -> Placement | None:
        """Where pixels (..., H, W) come to lie; `None` where they stay as they are."""
        own = (pixels.shape[-2], pixels.shape[-1])
        return None if self.size is None or own == self.size else place(own, self.size, self.aspect)


def _put(scaled: Tensor, placement: Placement, filling: Tensor) -> Tensor:
    """Place pixels (..., h, w) into a frame (..., H, W), with `filling` (..., 1, 1) elsewhere."""
    rows, columns = placement.inside
    framed = filling.repeat(*(1 for _ in scaled.shape[:-2]), *placement.frame)
    framed[..., rows, columns] = scaled[
        ...,
        rows.start - placement.top : rows.stop - placement.top,
        columns.start - placement.left : columns.stop - placement.left,
    ]
    return framed


def _find_mean_levels(images: Tensor) -> Tensor:
    """Mean of each channel (B, C), rounded to the nearest level and half to even, in integers: the same on all devices."""
    number = images.shape[2] * images.shape[3]
    twice = 2 * images.sum((2, 3), dtype=torch.int64) + number
    levels = twice // (2 * number)
    return (levels - ((twice % (2 * number) == 0) & (levels % 2 == 1)).long()).to(torch.uint8)
