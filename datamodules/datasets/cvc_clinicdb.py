"""CVC-ClinicDB: polyps in frames of colonoscopies, which are split by the sequences that the frames are from."""

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.mask_reading import MaskReading, make_threshold
from datamodules.reading.origins import require_folders
from datamodules.reading.pairs import Naming, Pair, pair
from datamodules.splitting import SHARES, split_by_unit
from safe_files.roots import find_data
from user_error import UserError

FIRST_FRAMES = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298),
    *(318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592),
)
"""The first frame of each of the 29 sequences, from the data set's own table."""

FRAMES = 612


class CVCClinicDBDataModule(SegmentationDataModule):
    """CVC-ClinicDB: 612 frames of 29 sequences, polyps against the mucosa.

    The publishers name no splits, and frames of one sequence show one polyp: sequences are split as a whole, and are the
    units of intervals.

    Bernal et al., WM-DOVA maps for accurate polyp highlighting in colonoscopy, Computerized Medical Imaging and Graphics
    2015.

    Args:
        root: the folder that holds ``Original`` and ``Ground Truth``.
        shares: of the frames for train, val and test; see `datamodules.splitting.SHARES`.
        seed: another one gives another split.
        unit: "sequence", or `None` for frames that stand for themselves.
        **kwargs: see `SegmentationDataModule`.
    """

    reads_as_rgb = True

    def __init__(
        self,
        root: str = "data/cvc_clinicdb",
        shares: dict[str, float] | None = None,
        seed: int = 0,
        unit: str | None = "sequence",
        **kwargs: Any,
    ) -> None:
        super().__init__(classes=("mucosa", "polyp"), palette=((0, 0, 0), (90, 220, 120)), unit=unit, **kwargs)
        self.root = find_data(root)
        self.shares = dict(shares or SHARES)
        self.seed = seed

    def make_dataset(self, split: Split) -> ImageFiles:
        """The frames of a split.

        Raises:
            UserError: the data are not there or incomplete, or a file is no frame of the data set.
        """
        naming = Naming("Original", "Ground Truth")
        require_folders("cvc_clinicdb", self.root, naming.image_folder, naming.mask_folder)
        pairs = [one._replace(id=one.id.zfill(len(str(FRAMES)))) for one in pair(self.root, naming=naming)]
        sequences = [find_sequence(one) for one in pairs]
        splits = split_by_unit(sequences, self.shares, self.seed)
        chosen = [one for one, sequence in zip(pairs, sequences, strict=True) if splits[sequence] == split]
        return ImageFiles(sorted(chosen), MaskReading(make_threshold()), self.reading)

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """The sequence of each frame, and its number in the data set."""
        pairs = self.open_split(split).pairs  # type: ignore[attr-defined]
        return {one.id: {"sequence": find_sequence(one), "frame": str(int(one.id))} for one in pairs}


def find_sequence(frame: Pair) -> str:
    """The sequence that a frame is from, "01" to "29".

    Raises:
        UserError: its name is no number from 1 to 612.
    """
    number = int(frame.id) if frame.id.isdecimal() and len(frame.id) < 8 else 0
    if not 1 <= number <= FRAMES:
        raise UserError(
            f"{Path(frame.image)} is no frame of CVC-ClinicDB, which are named 1 to {FRAMES}: move it out of the folder"
        )
    return f"{bisect_right(FIRST_FRAMES, number):02d}"
