"""BDD100K, the ten thousand images with semantic labels."""

from typing import Any

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, PALETTE, TRAIN_IDS
from datamodules.original_layout import Known, OriginalLayout


class BDD100KDataModule(OriginalLayout):
    """BDD100K, semantic segmentation: 7,000 and 1,000 images with the 19 classes of Cityscapes.

    ``images/10k/{train,val}/*.jpg`` and ``labels/sem_seg/masks/{train,val}/*.png``, or, in the first release,
    ``seg/images/{train,val}/*.jpg`` and ``seg/labels/{train,val}/*_train_id.png``; perhaps in the folder ``bdd100k``. The
    labels of the test images are withheld, so `test` means val; choose hyperparameters on a part of train. Images are of
    different drives.

    Yu et al., BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning, CVPR 2020.

    Args:
        root: the folder that holds ``images`` and ``labels``, or ``seg``.
        **kwargs: see `SegmentationDataModule`.
    """

    origin = "bdd100k"
    archives = "10K Images and Segmentation"
    test_is_val = True

    def __init__(self, root: str = "data/bdd100k", **kwargs: Any) -> None:
        super().__init__(root, TRAIN_IDS, classes=CLASSES, palette=PALETTE, **kwargs)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        part = "train" if split == "train" else "val"
        places = (f"images/10k/{part}", f"seg/images/{part}")
        images = self.find_folder(*places, *(f"bdd100k/{place}" for place in places))
        if images.parent.name == "10k":
            masks, endings = images.parents[2] / "labels/sem_seg/masks" / part, ("", "")
        else:
            masks, endings = images.parents[1] / "labels" / part, ("", "_train_id")
        return [Known(one) for one in self.pair_files(images, masks, endings)]
