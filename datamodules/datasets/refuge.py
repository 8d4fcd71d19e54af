"""REFUGE: optic disc and cup in photographs of the fundus, by two cameras."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.found_files import find_files
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import require_folders
from datamodules.reading.pairs import Naming, Pair, pair
from datamodules.splitting import SHARES, split_by_unit
from safe_files.roots import find_data
from user_error import UserError

Protocol = Literal["official", "camera"]
"""How images are divided. "official": as the challenge did, by which `val` and `test` are of another camera than `train`.
"camera": the images of the training camera are divided among all splits, and those of the other camera are in `test`, so
that neither training nor the choice of a checkpoint has met it."""

CLASSES = {255: 0, 128: 1, 0: 2}
"""Values of the masks: the background is white, the disc around the cup grey, the cup black."""

ZEISS, CANON = "Zeiss", "Canon"


class Part(NamedTuple):
    """Folders of images and of masks that belong together, and what is known of all their images."""

    images: str
    masks: str
    camera: str
    glaucoma: str


TRAINING = (
    Part("Training400/Glaucoma", "Annotation-Training400/Disc_Cup_Masks/Glaucoma", ZEISS, "yes"),
    Part("Training400/Non-Glaucoma", "Annotation-Training400/Disc_Cup_Masks/Non-Glaucoma", ZEISS, "no"),
)
VALIDATION = (Part("REFUGE-Validation400", "REFUGE-Validation400-GT/Disc_Cup_Masks", CANON, ""),)
TESTS = (
    Part("Test400", "REFUGE-Test-GT/Disc_Cup_Masks/G", CANON, "yes"),
    Part("Test400", "REFUGE-Test-GT/Disc_Cup_Masks/N", CANON, "no"),
)
OFFICIAL = {"train": TRAINING, "val": VALIDATION, "test": TESTS}


class REFUGEDataModule(SegmentationDataModule):
    """REFUGE 2018: 400 photographs of a Zeiss Visucam 500 for training, 800 of a Canon CR-2 for validation and test.

    The classes exclude each other: `disc` is what is left of the optic disc around the cup.

    Orlando et al., REFUGE Challenge: A unified framework for evaluating automated methods for glaucoma assessment from
    fundus photographs, Medical Image Analysis 2020.

    Args:
        root: the folder that holds ``Training400``, ``Annotation-Training400`` and the others.
        protocol: see `Protocol`.
        shares: of the photographs of the training camera, in the protocol "camera".
        seed: another one gives another split, in the protocol "camera".
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: there is no such protocol.
    """

    reads_as_rgb = True

    def __init__(
        self,
        root: str = "data/refuge",
        protocol: Protocol = "official",
        shares: dict[str, float] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            classes=("background", "disc", "cup"), palette=((0, 0, 0), (240, 200, 90), (230, 90, 60)), **kwargs
        )
        if protocol not in get_args(Protocol):
            raise UserError(f"protocol is {protocol!r}: give one of {', '.join(get_args(Protocol))}")
        self.root = find_data(root)
        self.protocol = protocol
        self.shares = dict(shares or SHARES)
        self.seed = seed

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there, or incomplete.
        """
        return ImageFiles(sorted(self._list(split)), MaskReading(CLASSES, levels="shown"), self.reading)

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """Camera of each image, and whether it shows a glaucoma, where folders say so."""
        rows = {one: {"camera": part.camera, "glaucoma": part.glaucoma} for one, part in self._list(split).items()}
        return {one.id: {key: value for key, value in row.items() if value} for one, row in rows.items()}

    def _list(self, split: Split) -> dict[Pair, Part]:
        if self.protocol == "official":
            return self._find(OFFICIAL[split])
        found: dict[Pair, Part] = {}
        for part in TRAINING:  # each by itself, so that glaucomas are as frequent in each split
            pairs = self._find((part,))
            splits = split_by_unit([one.id for one in pairs], self.shares, self.seed)
            found |= {one: part for one in pairs if splits[one.id] == split}
        return found | (self._find((*VALIDATION, *TESTS)) if split == "test" else {})

    def _find(self, parts: tuple[Part, ...]) -> dict[Pair, Part]:
        require_folders("refuge", self.root, *(folder for part in parts for folder in (part.images, part.masks)))
        found: dict[Pair, Part] = {}
        for part in parts:
            # the photographs of the test lie in one folder, their masks in two
            names = sorted(find_files(self.root / part.masks).by_id) if part in TESTS else None
            found |= dict.fromkeys(pair(self.root, names, Naming(part.images, part.masks)), part)
        for folder in {part.images for part in parts}:
            bare = find_files(self.root / folder).by_id.keys() - {one.id for one in found}
            if bare:
                raise UserError(
                    f"{len(bare)} images in {self.root / folder} have no mask, the first is {min(bare)!r}: complete it"
                )
        return found
