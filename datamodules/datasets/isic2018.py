"""ISIC 2018, task 1: the borders of skin lesions, in the folders of the challenge's archives."""

from typing import Any

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import require_folders
from datamodules.reading.pairs import Naming, pair
from safe_files.roots import find_data

OFFICIAL = {"train": "Training", "val": "Validation", "test": "Test"}
"""The challenge's names of the splits, of 2594, 100 and 1000 images."""


class ISIC2018DataModule(SegmentationDataModule):
    """ISIC 2018 task 1: dermatoscopic images, the lesion against the skin, with the official splits.

    Codella et al., Skin Lesion Analysis Toward Melanoma Detection 2018, arXiv:1902.03368; Tschandl et al., The HAM10000
    dataset, Scientific Data 2018.

    Args:
        root: the folder that holds ``ISIC2018_Task1-2_Training_Input`` and the like.
        **kwargs: see `SegmentationDataModule`.
    """

    reads_as_rgb = True

    def __init__(self, root: str = "data/isic2018", **kwargs: Any) -> None:
        super().__init__(classes=("skin", "lesion"), palette=((0, 0, 0), (255, 200, 60)), **kwargs)
        self.root = find_data(root)

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there, or incomplete.
        """
        called = OFFICIAL[split]
        naming = Naming(
            f"ISIC2018_Task1-2_{called}_Input", f"ISIC2018_Task1_{called}_GroundTruth", mask_suffix="_segmentation"
        )
        require_folders("isic2018", self.root, naming.image_folder, naming.mask_folder)
        return ImageFiles(pair(self.root, naming=naming), MaskReading({0: 0, 255: 1}), self.reading)
