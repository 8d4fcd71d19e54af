"""ADE20K, the release of the scene parsing benchmark with 150 classes."""

from typing import Any

from datamodules.base import Split
from datamodules.dataset import IGNORED
from datamodules.datasets.voc import make_voc_palette
from datamodules.original_layout import Known, OriginalLayout
from datamodules.reading.mask_reading import MaskReading

CLASSES = (
    *(
        "wall",
        "building",
        "sky",
        "floor",
        "tree",
        "ceiling",
        "road",
        "bed",
        "windowpane",
        "grass",
        "cabinet",
        "sidewalk",
    ),
    *("person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water", "painting", "sofa"),
    *(
        "shelf",
        "house",
        "sea",
        "mirror",
        "rug",
        "field",
        "armchair",
        "seat",
        "fence",
        "desk",
        "rock",
        "wardrobe",
        "lamp",
    ),
    *("bathtub", "railing", "cushion", "base", "box", "column", "signboard", "chest of drawers", "counter", "sand"),
    *(
        "sink",
        "skyscraper",
        "fireplace",
        "refrigerator",
        "grandstand",
        "path",
        "stairs",
        "runway",
        "case",
        "pool table",
    ),
    *("pillow", "screen door", "stairway", "river", "bridge", "bookcase", "blind", "coffee table", "toilet", "flower"),
    *(
        "book",
        "hill",
        "bench",
        "countertop",
        "stove",
        "palm",
        "kitchen island",
        "computer",
        "swivel chair",
        "boat",
        "bar",
    ),
    *("arcade machine", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier", "awning", "streetlight"),
    *("booth", "television", "airplane", "dirt track", "apparel", "pole", "land", "bannister", "escalator", "ottoman"),
    *(
        "bottle",
        "buffet",
        "poster",
        "stage",
        "van",
        "ship",
        "fountain",
        "conveyer belt",
        "canopy",
        "washer",
        "plaything",
    ),
    *("swimming pool", "stool", "barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball"),
    *("food", "step", "tank", "trade name", "microwave", "pot", "animal", "bicycle", "lake", "dishwasher", "screen"),
    *("blanket", "sculpture", "hood", "sconce", "vase", "traffic light", "tray", "ashcan", "fan", "pier", "crt screen"),
    *("plate", "monitor", "bulletin board", "shower", "radiator", "glass", "clock", "flag"),
)
"""The first name of each category in the publishers' ``objectInfo150.txt``."""

FOLDERS = {"train": "training", "val": "validation", "test": "validation"}


class ADE20KDataModule(OriginalLayout):
    """ADE20K (SceneParsing): 150 classes; 0 in a mask is "other objects", which the benchmark ignores.

    ``images/{training,validation}/*.jpg`` and ``annotations/{training,validation}/*.png``, in the folder
    ``ADEChallengeData2016`` or in the root itself. The labels of the test images are withheld, so `test` means val; choose
    hyperparameters on a part of train.

    Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017.

    Args:
        root: the folder that holds ``ADEChallengeData2016``, or its content.
        **kwargs: see `SegmentationDataModule`.
    """

    origin = "ade20k"
    archives = "ADEChallengeData2016.zip"
    test_is_val = True

    def __init__(self, root: str = "data/ade20k", **kwargs: Any) -> None:
        values = {0: IGNORED} | {number: number - 1 for number in range(1, len(CLASSES) + 1)}
        super().__init__(
            root,
            MaskReading(values, levels="stored"),
            classes=CLASSES,
            palette=make_voc_palette(len(CLASSES) + 1)[1:],
            **kwargs,
        )

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        images, masks = (
            self.find_folder(f"ADEChallengeData2016/{kind}/{FOLDERS[split]}", f"{kind}/{FOLDERS[split]}")
            for kind in ("images", "annotations")
        )
        return [Known(one) for one in self.pair_files(images, masks)]
