"""PolypGen: polyps from six hospitals, some of which are kept for testing alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.found_files import find_files
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import require_folders
from datamodules.reading.pairs import Pair
from datamodules.splitting import SHARES, split_by_unit
from safe_files.roots import find_data
from user_error import UserError

CENTRES = ("C1", "C2", "C3", "C4", "C5", "C6")
SEQUENCES = "sequences"
"""What stands for a centre where frames of videos are read, since the data set does not name theirs."""


class PolypGenDataModule(SegmentationDataModule):
    """PolypGen 2021: single frames of the centres C1 to C6, and frames of 23 videos with polyps.

    Images of the training centres are divided among the splits, those of other centres are in `test` alone; the column
    `centre` tells them apart, for suites of real shifts. Patients are not published, so that two frames of one patient may
    be in two splits of a training centre; never of two centres.

    Ali et al., A multi-centre polyp detection and segmentation dataset for generalisability assessment, Scientific Data
    2023.

    Args:
        root: the folder that holds ``data_C1`` to ``data_C6`` and ``sequenceData``.
        train_centres: whose images are trained on.
        sequences: whether the frames of ``sequenceData/positive`` are read too, as a centre "sequences". Those of
            ``negativeOnly`` have no masks.
        shares: of the images of training centres for train, val and test.
        seed: another one gives another split.
        unit: "sequence": frames of a video belong together, a single frame stands for itself.
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: there is no such centre.
    """

    reads_as_rgb = True

    def __init__(
        self,
        root: str = "data/polypgen",
        train_centres: Sequence[str] = ("C1", "C2", "C3", "C4", "C5"),
        sequences: bool = False,
        shares: dict[str, float] | None = None,
        seed: int = 0,
        unit: str | None = "sequence",
        **kwargs: Any,
    ) -> None:
        super().__init__(classes=("mucosa", "polyp"), palette=((0, 0, 0), (90, 220, 120)), unit=unit, **kwargs)
        self.root = find_data(root)
        self.train_centres = tuple(train_centres)
        self.centres = (*CENTRES, SEQUENCES) if sequences else CENTRES
        self.shares = dict(shares or SHARES)
        self.seed = seed
        unknown = [centre for centre in self.train_centres if centre not in self.centres]
        if unknown or not self.train_centres:
            raise UserError(
                f"train_centres names {unknown[0] if unknown else 'none'!r}: the centres are {', '.join(self.centres)}"
            )

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there, or incomplete.
        """
        pairs = [one for centre in self.centres for one in self._choose(centre, split)]
        return ImageFiles(pairs, MaskReading({0: 0, 255: 1}, lossy=True), self.reading)  # the masks are JPEG

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """The centre of each image, and the sequence that it is a frame of; its own id if none."""
        return {
            name: {"centre": name.partition("/")[0], "sequence": find_unit(name)} for name in self.open_split(split).ids
        }

    def _choose(self, centre: str, split: Split) -> list[Pair]:
        pairs = self._find_sequences() if centre == SEQUENCES else self._find_centre(centre)
        if centre not in self.train_centres:
            return pairs if split == "test" else []
        splits = split_by_unit([find_unit(one.id) for one in pairs], self.shares, self.seed)
        return [one for one in pairs if splits[find_unit(one.id)] == split]

    def _find_centre(self, centre: str) -> list[Pair]:
        require_folders("polypgen", self.root, f"data_{centre}/images_{centre}", f"data_{centre}/masks_{centre}")
        return match_frames(centre, self.root / f"data_{centre}", centre)

    def _find_sequences(self) -> list[Pair]:
        require_folders("polypgen", self.root, "sequenceData/positive")
        folders = sorted(one for one in (self.root / "sequenceData/positive").iterdir() if one.is_dir())
        return [one for folder in folders for one in match_frames(f"{SEQUENCES}/{folder.name}", folder, folder.name)]


def match_frames(prefix: str, folder: Path, name: str) -> list[Pair]:
    """The pairs in ``folder/images_NAME`` and ``folder/masks_NAME``, sorted by id.

    Masks are named after their images, with ``_mask``; one image of C3 has a further underscore at its end.

    Raises:
        UserError: an image has no mask, or a mask no image.
    """
    images = {key.rstrip("_"): path for key, path in find_files(folder / f"images_{name}").by_id.items()}
    masks = {key.removesuffix("_mask"): path for key, path in find_files(folder / f"masks_{name}").by_id.items()}
    if alone := sorted(images.keys() ^ masks.keys()):
        raise UserError(
            f"{len(alone)} images of {folder} have no mask, or masks no image, the first is {alone[0]!r}: complete the data set"
        )
    return [Pair(f"{prefix}/{key}", images[key], masks[key]) for key in sorted(images)]


def find_unit(name: str) -> str:
    """What the image of an id belongs to: its video, or itself."""
    centre, _, rest = name.partition("/")
    return rest.partition("/")[0] if centre == SEQUENCES else name
