"""Dark Zurich: streets at night."""

from typing import Any, ClassVar

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, PALETTE, TRAIN_IDS
from datamodules.original_layout import EVALUATION_ONLY, Known, OriginalLayout, name_sequences


class DarkZurichDataModule(OriginalLayout):
    """Dark Zurich: the 50 labelled nighttime images of its validation set, with the 19 classes of Cityscapes.

    ``rgb_anon/val/night/GOPRxxxx/*_rgb_anon.png`` and ``gt/val/night/GOPRxxxx/*_gt_labelTrainIds.png``, perhaps in the
    folder ``Dark_Zurich_val_anon``. Its training images have no labels, those of its test images are withheld: `val` and
    `test` mean val. The daytime images of the same places (``val_ref``) have no labels either. Frames of a folder follow
    each other.

    Sakaridis, Dai & Van Gool, Guided Curriculum Model Adaptation and Uncertainty-Aware Evaluation for Semantic Nighttime
    Image Segmentation, ICCV 2019.

    Args:
        root: the folder that holds ``rgb_anon`` and ``gt``.
        sequence: see `SegmentationDataModule`.
        **kwargs: see there.
    """

    origin = "dark_zurich"
    archives = "Dark_Zurich_val_anon.zip"
    test_is_val = True
    withheld: ClassVar = {"train": EVALUATION_ONLY}

    def __init__(self, root: str = "data/dark_zurich", sequence: str | None = "sequence", **kwargs: Any) -> None:
        super().__init__(root, TRAIN_IDS, classes=CLASSES, palette=PALETTE, sequence=sequence, **kwargs)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        images, masks = (
            self.find_folder(f"{kind}/val/night", f"Dark_Zurich_val_anon/{kind}/val/night")
            for kind in ("rgb_anon", "gt")
        )
        return name_sequences(self.pair_files(images, masks, ("_rgb_anon", "_gt_labelTrainIds")))
