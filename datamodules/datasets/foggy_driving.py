"""Foggy Driving: streets in fog, as pedestrians, passengers and the web have seen them."""

from typing import Any, ClassVar

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, LABEL_IDS, PALETTE
from datamodules.original_layout import EVALUATION_ONLY, Known, OriginalLayout

PARTS = {"test": "gtFine", "test_extra": "gtCoarse"}
"""Folder of the labels by that of the images: 33 images are labelled finely, 68 coarsely."""


class FoggyDrivingDataModule(OriginalLayout):
    """Foggy Driving: 101 images in fog with the 19 classes of Cityscapes, for evaluation alone: there is no split but `test`.

    ``leftImg8bit/{test,test_extra}/{pedestrian,public,web}/*_leftImg8bit.png``; masks
    ``gtFine/test/RECORD/*_gtFine_labelIds.png`` and ``gtCoarse/test_extra/RECORD/*_gtCoarse_labelIds.png``. How an image is
    labelled (`labels`: fine, coarse) and who has seen it (`record`) are its real shifts.

    Sakaridis, Dai & Van Gool, Semantic Foggy Scene Understanding with Synthetic Data, IJCV 2018.

    Args:
        root: the folder that holds ``leftImg8bit``.
        **kwargs: see `SegmentationDataModule`.
    """

    origin = "foggy_driving"
    archives = "Foggy_Driving.zip"
    shift_columns = ("labels", "record")
    withheld: ClassVar = {"train": EVALUATION_ONLY, "val": EVALUATION_ONLY}

    def __init__(self, root: str = "data/foggy_driving", **kwargs: Any) -> None:
        super().__init__(root, LABEL_IDS, classes=CLASSES, palette=PALETTE, **kwargs)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        base, found = self.find_folder("leftImg8bit", "Foggy_Driving/leftImg8bit").parent, []
        for part, kind in PARTS.items():
            endings = ("_leftImg8bit", f"_{kind}_labelIds")
            for one in self.pair_files(base / "leftImg8bit" / part, base / kind / part, endings):
                meta = {"labels": kind.removeprefix("gt").lower(), "record": one.id.partition("/")[0]}
                found.append(Known(one, meta))
        return found
