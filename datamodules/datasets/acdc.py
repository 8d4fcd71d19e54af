"""ACDC, the Adverse Conditions Dataset with Correspondences."""

from pathlib import Path
from typing import Any

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, PALETTE, TRAIN_IDS
from datamodules.original_layout import Known, OriginalLayout, name_sequences
from datamodules.reading.found_files import find_files

CONDITIONS = ("fog", "night", "rain", "snow")
REFERENCE = "_ref"
"""What follows the name of a condition in that of its references: the same places in clear weather by day."""

_MASK, _REFERENCE_MASK = "_gt_labelTrainIds", "_gt_ref_labelTrainIds"


class ACDCDataModule(OriginalLayout):
    """ACDC: the 19 classes of Cityscapes in fog, at night, in rain and in snow, which are real shifts (`condition`).

    Images are ``rgb_anon/{fog,night,rain,snow}/{train,val}/GOPRxxxx/*_rgb_anon.png`` and masks
    ``gt/CONDITION/SPLIT/GOPRxxxx/*_gt_labelTrainIds.png``, each perhaps in a folder called like its archive
    (``rgb_anon_trainvaltest``, ``gt_trainval``). The labels of the test images are withheld, so `test` means val; choose
    hyperparameters on a part of train.

    Each image has a reference of the same place in clear weather by day, ``rgb_anon/CONDITION/SPLIT_ref/GOPRxxxx/
    *_rgb_ref_anon.png``; those that are labelled, ``gt/CONDITION/SPLIT_ref/GOPRxxxx/*_gt_ref_labelTrainIds.png``, are the
    conditions ``fog_ref``, ``night_ref``, ... if they are asked for. Frames of a folder follow each other.

    Sakaridis, Dai & Van Gool, ACDC: The Adverse Conditions Dataset with Correspondences for Semantic Driving Scene
    Understanding, ICCV 2021; the labels of references are of its extension, arXiv:2104.13395v4.

    Args:
        root: the folder that holds ``rgb_anon`` and ``gt``.
        references: whether labelled references are images too; the score over all images is then of both.
        sequence: see `SegmentationDataModule`.
        **kwargs: see there.
    """

    origin = "acdc"
    archives = "rgb_anon_trainvaltest.zip and gt_trainval.zip"
    test_is_val = True
    shift_columns = ("condition",)

    def __init__(
        self, root: str = "data/acdc", references: bool = False, sequence: str | None = "sequence", **kwargs: Any
    ) -> None:
        super().__init__(root, TRAIN_IDS, classes=CLASSES, palette=PALETTE, sequence=sequence, **kwargs)
        self.references = references

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        part = "train" if split == "train" else "val"
        images = self.find_folder("rgb_anon", "rgb_anon_trainvaltest/rgb_anon")
        masks = self.find_folder("gt", "gt_trainval/gt")
        found = []
        for one in CONDITIONS:
            pairs = self.pair_files(images / one / part, masks / one / part, ("_rgb_anon", _MASK), f"{one}/")
            found += name_sequences(pairs, condition=one)
            if self.references:
                found += self._find_references(images / one, masks / one, f"{part}{REFERENCE}")
        if self.references and not any(known.meta["condition"].endswith(REFERENCE) for known in found):
            raise self.make_missing_error(f"gt/*/{part}{REFERENCE}/*/*{_REFERENCE_MASK}.png")
        return found

    def _find_references(self, images: Path, masks: Path, part: str) -> list[Known]:
        """The references of a condition that have a mask; most have none."""
        labelled = find_files(masks / part).by_id if (masks / part).is_dir() else {}
        names = [name.removesuffix(_REFERENCE_MASK) for name in labelled if name.endswith(_REFERENCE_MASK)]
        if not names:
            return []
        condition, endings = f"{masks.name}{REFERENCE}", ("_rgb_ref_anon", _REFERENCE_MASK)
        pairs = self.pair_files(images / part, masks / part, endings, f"{condition}/", names)
        return name_sequences(pairs, condition=condition)
