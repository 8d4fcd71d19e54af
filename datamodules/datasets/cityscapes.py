"""Cityscapes, from torchvision's layout."""

from pathlib import Path
from typing import Any

from torchvision.datasets import Cityscapes

from datamodules.base import SegmentationDataModule, Split
from datamodules.datasets.cityscapes_labels import CLASSES, LABEL_IDS, PALETTE
from datamodules.image_files import ImageFiles
from datamodules.reading.origins import OR_SET, ORIGINS
from datamodules.reading.pairs import Pair, require_present
from safe_files.roots import find_data
from user_error import UserError

_IMAGE_ENDING = "_leftImg8bit"


class CityscapesDataModule(SegmentationDataModule):
    """Cityscapes with fine annotations: 19 classes, everything else ignored.

    The labels of the test split are withheld, so `test` means val; choose hyperparameters on a part of train. Images of a
    city follow each other in the order of their names.

    Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.

    Args:
        root: the folder that holds ``leftImg8bit`` and ``gtFine``, or the two archives of these names.
        sequence: see `SegmentationDataModule`; the column `city` holds the first part of a name.
        **kwargs: see there.
    """

    test_is_val = True

    def __init__(self, root: str = "data/cityscapes", sequence: str | None = "city", **kwargs: Any) -> None:
        super().__init__(classes=CLASSES, palette=PALETTE, sequence=sequence, **kwargs)
        self.root = find_data(root)

    def read_meta(self, split: Split) -> dict[str, dict[str, str]]:
        """The city of each image."""
        return {name: {"city": name.partition("_")[0]} for name in self.open_split(split).ids}

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there.
        """
        try:
            files = Cityscapes(self.root, "train" if split == "train" else "val", "fine", "semantic")
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"Cityscapes is not in {self.root} (leftImg8bit and gtFine are looked for): get "
                "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from "
                f"{ORIGINS['cityscapes'].page} and unpack them there, or {OR_SET}"
            ) from error
        found = [(Path(image), Path(masks[0])) for image, masks in zip(files.images, files.targets, strict=True)]
        pairs = [
            Pair(image.stem.removesuffix(_IMAGE_ENDING), image, mask)
            for image, mask in found
            if image.name.endswith(f"{_IMAGE_ENDING}.png")
        ]
        return ImageFiles(require_present(pairs), LABEL_IDS)
