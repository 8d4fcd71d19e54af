"""Pascal VOC, from torchvision's layout."""

from pathlib import Path
from typing import Any

from torchvision.datasets import VOCSegmentation

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED
from datamodules.image_files import ImageFiles
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import OR_SET, ORIGINS
from datamodules.reading.pairs import Pair, require_present
from safe_files.roots import find_data
from user_error import UserError

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus"),
    *("car", "cat", "chair", "cow", "diningtable", "dog", "horse"),
    *("motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOID = 255


def make_voc_palette(colours: int = len(CLASSES)) -> list[list[int]]:
    """The colours of the VOC development kit: the bits of a class id, distributed over red, green and blue."""

    def compute_level(number: int, channel: int) -> int:
        return sum(((number >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8))

    return [[compute_level(number, channel) for channel in range(3)] for number in range(colours)]


class VOCDataModule(SegmentationDataModule):
    """Pascal VOC segmentation: 20 classes and background, the void around objects ignored.

    The labels of the test split are withheld, so `test` means val; choose hyperparameters on a part of train.

    Everingham et al., The Pascal Visual Object Classes Challenge: A Retrospective, IJCV 2015.

    Args:
        root: the folder that holds ``VOCdevkit``.
        year: 2007 to 2012.
        **kwargs: see `SegmentationDataModule`.
    """

    reads_as_rgb = True

    test_is_val = True

    def __init__(self, root: str = "data/voc", year: str = "2012", **kwargs: Any) -> None:
        super().__init__(classes=CLASSES, palette=make_voc_palette(), **kwargs)
        self.root = find_data(root)
        self.year = str(year)

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there, or the year is unknown.
        """
        try:
            files = VOCSegmentation(self.root, self.year, "train" if split == "train" else "val", download=False)
        except ValueError as error:
            raise UserError(f"there is no Pascal VOC {self.year!r}: give a year from 2007 to 2012") from error
        except (RuntimeError, OSError) as error:
            raise UserError(
                f'Pascal VOC {self.year} is not in {self.root / "VOCdevkit"}: get it with python -c "from '
                f"torchvision.datasets import VOCSegmentation as VOC; VOC('{self.root}', '{self.year}', "
                f'download=True)" ({ORIGINS["voc"].page}), or {OR_SET}'
            ) from error
        found = zip(files.images, files.masks, strict=True)
        pairs = [Pair(Path(image).stem, Path(image), Path(mask)) for image, mask in found]
        values = {value: value for value in range(len(CLASSES))} | {VOID: IGNORED}
        return ImageFiles(require_present(pairs), MaskReading(values, levels="stored"), self.reading)
