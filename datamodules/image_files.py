"""A data set of image files and mask files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from datamodules.dataset import Sample, SegmentationDataset
from datamodules.reading.decoding import ORIENTATION_TAG, open_header, read_orientation
from datamodules.reading.depths import require_one_depth
from datamodules.reading.image_reading import ImageReading
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.pairs import Pair
from datamodules.reading.palettes import require_one_palette
from user_error import UserError


class ImageFiles(SegmentationDataset):
    """Samples decoded from files: pictures, or ``.npy`` arrays of any number of channels.

    Args:
        pairs: the files.
        masks: how masks are read.
        images: how images are read.
        list_other_pairs: returns the files of the other splits, whose palettes and depths must agree with these.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        masks: MaskReading,
        images: ImageReading | None = None,
        list_other_pairs: Callable[[], Sequence[Pair]] = list,
    ) -> None:
        self.pairs = list(pairs)
        self.ids = [one.id for one in self.pairs]
        self.masks = masks
        self.images = images or ImageReading()
        self._list_other_pairs = list_other_pairs
        self._palettes_agree = False  # the palettes of the masks

    def __getitem__(self, index: int) -> Sample:
        """Decode sample `index`: image uint8 (H, W, C), mask uint8 (H, W).

        Raises:
            UserError: a file cannot be read, or the image or the mask is not what was described.
        """
        one = self.pairs[index]
        image, mask = self.images.read(one.image), self._read_mask(one.mask)
        if image.shape[:2] != mask.shape:
            raise UserError(
                f"{one.image} is {image.shape[0]} x {image.shape[1]} pixels (height x width) and its mask {one.mask} "
                f"is {mask.shape[0]} x {mask.shape[1]}: {_suggest_remedy(one, image, mask)}"
            )
        return Sample(image=image, mask=mask)

    def prepare(self) -> None:
        """Check that palettes and depths agree between files, so that worker processes need not.

        Raises:
            UserError: they differ.
        """
        if self.pairs and not self._palettes_agree:
            self._read_mask(self.pairs[0].mask)
        if self.images.window is not None:
            require_one_depth(one.image for one in [*self.pairs, *self._list_other_pairs()])

    def _read_mask(self, path: Path) -> np.ndarray:
        mask, by_index = self.masks.read_with_palette(path)
        if by_index and not self._palettes_agree:
            require_one_palette([one.mask for one in [*self.pairs, *self._list_other_pairs()]], self.masks)
            self._palettes_agree = True
        return mask


def _suggest_remedy(one: Pair, image: np.ndarray, mask: np.ndarray) -> str:
    tagged = [path for path in (one.image, one.mask) if _is_turned(path)]
    if tagged and image.shape[:2] == mask.shape[::-1]:
        return (
            f"{tagged[0]} has an orientation tag ({ORIENTATION_TAG:#x}), which is obeyed; if the mask was drawn on the "
            "pixels as they are stored, add `orientation: stored` to dataset.yaml"
        )
    return "bring them to the same size"


def _is_turned(path: Path) -> bool:
    return path.suffix.lower() != ".npy" and read_orientation(open_header(path)) != 1
