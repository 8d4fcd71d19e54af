"""MUSES: streets in all weathers, by day and at night."""

from typing import Any

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, PALETTE, TRAIN_IDS
from datamodules.original_layout import Known, OriginalLayout


class MUSESDataModule(OriginalLayout):
    """MUSES, its frame camera: the 19 classes of Cityscapes, by `weather` and `time_of_day`, which are real shifts.

    ``frame_camera/{train,val}/{clear,fog,rain,snow}/{day,night}/RECxxxx_frame_xxxxxx_frame_camera.png`` and
    ``gt_semantic/`` likewise, ``*_gt_labelTrainIds.png``. The labels of the test images are withheld, so `test` means val;
    choose hyperparameters on a part of train. Frames of a recording follow each other.

    Brödermann et al., MUSES: The Multi-Sensor Semantic Perception Dataset for Driving under Uncertainty, ECCV 2024.

    Args:
        root: the folder that holds ``frame_camera`` and ``gt_semantic``.
        sequence: see `SegmentationDataModule`.
        **kwargs: see there.
    """

    origin = "muses"
    archives = "frame_camera and gt_semantic"
    test_is_val = True
    shift_columns = ("weather", "time_of_day")

    def __init__(self, root: str = "data/muses", sequence: str | None = "sequence", **kwargs: Any) -> None:
        super().__init__(root, TRAIN_IDS, classes=CLASSES, palette=PALETTE, sequence=sequence, **kwargs)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        part, found = "train" if split == "train" else "val", []
        images, masks = (self.find_folder(f"{kind}/{part}") for kind in ("frame_camera", "gt_semantic"))
        for one in self.pair_files(images, masks, ("_frame_camera", "_gt_labelTrainIds")):
            weather, time, name = (["", "", *one.id.split("/")])[-3:]
            found.append(
                Known(one, {"weather": weather, "time_of_day": time, "sequence": name.partition("_frame_")[0]})
            )
        return found
