"""Oxford-IIIT Pet, from torchvision's layout."""

from hashlib import blake2b
from pathlib import Path
from typing import Any

from torchvision.datasets import OxfordIIITPet

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import IGNORED
from datamodules.image_files import ImageFiles
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import OR_SET, ORIGINS
from datamodules.reading.pairs import Pair, require_present
from safe_files.roots import find_data
from user_error import UserError

TRIMAP = {1: 1, 2: 0, 3: IGNORED}
"""Values of a trimap: the pet, the background, and the border between them, which is ignored."""

_FOLDS = 5


def is_validation(name: str) -> bool:
    """Whether an image of trainval belongs to the validation split: a fixed fifth, by a hash of the id."""
    return blake2b(name.encode(), digest_size=8).digest()[0] % _FOLDS == 0


class OxfordPetDataModule(SegmentationDataModule):
    """Oxford-IIIT Pet, cats and dogs against the background; the border of the trimap is ignored.

    The official trainval is divided into train and a fixed fifth for val; `test` is the official one.

    Parkhi et al., Cats and Dogs, CVPR 2012.

    Args:
        root: the folder that holds ``oxford-iiit-pet``.
        **kwargs: see `SegmentationDataModule`.
    """

    reads_as_rgb = True

    def __init__(self, root: str = "data/oxford_pet", **kwargs: Any) -> None:
        super().__init__(classes=("background", "pet"), palette=((0, 0, 0), (230, 130, 40)), **kwargs)
        self.root = find_data(root)

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there.
        """
        official = "test" if split == "test" else "trainval"
        try:
            files = OxfordIIITPet(self.root, official, target_types="segmentation", download=False)
        except (RuntimeError, OSError, ValueError) as error:
            raise UserError(
                f'Oxford-IIIT Pet is not in {self.root / "oxford-iiit-pet"}: get it with python -c "from '
                f"torchvision.datasets import OxfordIIITPet as Pet; Pet('{self.root}', download=True)\" "
                f"({ORIGINS['oxford_pet'].page}), or {OR_SET}"
            ) from error
        found = zip(files._images, files._segs, strict=True)  # torchvision has no public name for these lists
        pairs = [Pair(Path(image).stem, Path(image), Path(mask)) for image, mask in found]
        if split != "test":
            pairs = [one for one in pairs if is_validation(one.id) == (split == "val")]
        return ImageFiles(require_present(pairs), MaskReading(TRIMAP, levels="stored"), self.reading)
