"""Foggy Zurich: streets in fog."""

from pathlib import Path
from typing import Any, ClassVar

from datamodules.base import Split
from datamodules.datasets.cityscapes_labels import CLASSES, LABEL_IDS, PALETTE
from datamodules.original_layout import EVALUATION_ONLY, Known, OriginalLayout, name_sequences
from datamodules.reading.lists import as_listed
from safe_files.text import read_text

LIST = "lists_file_names/RGB_testv2_filenames.txt"


class FoggyZurichDataModule(OriginalLayout):
    """Foggy Zurich: the 40 labelled images of its test set in dense fog (the second version), 19 classes of Cityscapes.

    ``RGB/GPxxxxxx/*.png``, ``gt_labelIds/GPxxxxxx/*.png`` of the same names, and
    ``lists_file_names/RGB_testv2_filenames.txt``, which lists the test images; all others have no labels, so there is no
    split but `test`. Frames of a folder follow each other.

    Dai, Sakaridis, Hecker & Van Gool, Curriculum Model Adaptation with Synthetic and Real Data for Semantic Foggy Scene
    Understanding, IJCV 2020.

    Args:
        root: the folder that holds ``RGB``.
        sequence: see `SegmentationDataModule`.
        **kwargs: see there.
    """

    origin = "foggy_zurich"
    archives = "Foggy_Zurich.zip"
    withheld: ClassVar = {"train": EVALUATION_ONLY, "val": EVALUATION_ONLY}

    def __init__(self, root: str = "data/foggy_zurich", sequence: str | None = "sequence", **kwargs: Any) -> None:
        super().__init__(root, LABEL_IDS, classes=CLASSES, palette=PALETTE, sequence=sequence, **kwargs)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        base = self.find_folder("RGB", "Foggy_Zurich/RGB").parent
        names = [name.removeprefix("RGB/") for name in read_list(self, base / LIST)]
        return name_sequences(self.pair_files(base / "RGB", base / "gt_labelIds", names=names))


def read_list(data: OriginalLayout, path: Path) -> list[str]:
    """The names in a list of files, without their extension.

    Raises:
        UserError: it is not there, or is no text.
    """
    if not path.is_file():
        raise data.make_missing_error(path.relative_to(data.root).as_posix())
    lines = read_text(path, "get the list of the publishers anew").splitlines()
    return [as_listed(line) for line in lines if line.strip()]
