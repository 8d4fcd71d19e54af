"""IDD, the India Driving Dataset."""

from typing import Any, Literal

from datamodules.base import Split
from datamodules.dataset import IGNORED
from datamodules.datasets import cityscapes_labels
from datamodules.datasets.voc import make_voc_palette
from datamodules.original_layout import Known, OriginalLayout, name_sequences
from datamodules.reading.mask_reading import MaskReading
from user_error import UserError

LEVEL3 = (
    *("road", "drivable fallback", "sidewalk", "non-drivable fallback", "person", "rider", "motorcycle", "bicycle"),
    *("autorickshaw", "car", "truck", "bus", "vehicle fallback", "curb", "wall", "fence", "guard rail", "billboard"),
    *("traffic sign", "traffic light", "pole", "obs-str-bar-fallback", "building", "bridge", "vegetation", "sky"),
)
"""The 26 classes of the third level of its hierarchy, each called by one of the labels that it joins."""

Labels = Literal["level3", "cityscapes"]
ID_TYPES: dict[Labels, str] = {"level3": "level3Id", "cityscapes": "csTrainId"}
"""The option ``--id-type`` of the publishers' createLabels.py that draws the masks of each set of classes."""


class IDDDataModule(OriginalLayout):
    """IDD, semantic segmentation: 26 classes of the third level, or the 19 of Cityscapes.

    ``leftImg8bit/{train,val}/DRIVE/*_leftImg8bit.png`` (or ``.jpg``) and masks ``gtFine/SPLIT/DRIVE/
    *_gtFine_labellevel3Ids.png`` or ``*_gtFine_labelcsTrainIds.png``, which the publishers' ``createLabels.py`` draws from
    its polygons; perhaps in the folder ``IDD_Segmentation``. The labels of the test images are withheld, so `test` means
    val; choose hyperparameters on a part of train. Images of a folder are of one drive.

    Varma et al., IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained Environments, WACV 2019.

    Args:
        root: the folder that holds ``leftImg8bit`` and ``gtFine``.
        labels: "level3", or "cityscapes" for networks that were trained on Cityscapes.
        sequence: see `SegmentationDataModule`.
        **kwargs: see there.
    """

    origin = "idd"
    archives = "IDD Segmentation, draw its masks by createLabels.py (github.com/AutoNUE/public-code)"
    test_is_val = True

    def __init__(
        self, root: str = "data/idd", labels: Labels = "level3", sequence: str | None = "sequence", **kwargs: Any
    ) -> None:
        if labels not in ID_TYPES:
            raise UserError(f"there are no labels {labels!r} of IDD: give one of {', '.join(ID_TYPES)}")
        classes, palette, masks = cityscapes_labels.CLASSES, cityscapes_labels.PALETTE, cityscapes_labels.TRAIN_IDS
        if labels == "level3":
            values = {number: number for number in range(len(LEVEL3))} | {IGNORED: IGNORED}
            classes, palette = LEVEL3, tuple(make_voc_palette(len(LEVEL3) + 1)[1:])
            masks = MaskReading(values, levels="stored")
        super().__init__(root, masks, classes=classes, palette=palette, sequence=sequence, **kwargs)
        self.labels = labels

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        part = "train" if split == "train" else "val"
        images, masks = (
            self.find_folder(f"{kind}/{part}", f"IDD_Segmentation/{kind}/{part}") for kind in ("leftImg8bit", "gtFine")
        )
        return name_sequences(
            self.pair_files(images, masks, ("_leftImg8bit", f"_gtFine_label{ID_TYPES[self.labels]}s"))
        )
