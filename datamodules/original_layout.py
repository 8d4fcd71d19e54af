"""The base of data sets in the folders of their publishers: pairs of files, and what the folders say of each image."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import OR_SET, ORIGINS
from datamodules.reading.pairs import Naming, Pair, pair
from safe_files.roots import find_data
from user_error import UserError

EVALUATION_ONLY = "sweep the images that have some, with a network that was trained on other data, such as Cityscapes"
"""What to do with data that are there for evaluation."""


class Known(NamedTuple):
    """A pair of files and the metadata of its image."""

    pair: Pair
    meta: Mapping[str, str] = {}


class OriginalLayout(SegmentationDataModule):
    """Data that are read as their publishers lay them out; a subclass says where the files of a split lie.

    Args:
        root: the folder of the data set; see `safe_files.roots.find_data`.
        masks: how masks are read.
        **kwargs: see `SegmentationDataModule`.
    """

    reads_as_rgb = True

    origin: ClassVar[str]
    """Key in `ORIGINS`."""

    archives: ClassVar[str]
    """What is to be got there."""

    withheld: ClassVar[Mapping[Split, str]] = {}
    """Splits without public labels, and what to do instead."""

    def __init__(self, root: str, masks: MaskReading, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = find_data(root)
        self.masks = masks
        self._meta: dict[str, dict[str, dict[str, str]]] = {}

    @abstractmethod
    def find_images(self, split: Split) -> list[Known]:
        """The images of a split with their masks.

        Raises:
            UserError: files are missing.
        """

    def make_dataset(self, split: Split) -> ImageFiles:
        """The images of a split.

        Raises:
            UserError: the data are not there, or the split has no public labels.
        """
        if split in self.withheld:
            raise UserError(f"{ORIGINS[self.origin].name} has no labels of the split {split!r}: {self.withheld[split]}")
        found = sorted(self.find_images(split), key=lambda one: one.pair.id)
        ids = [one.pair.id for one in found]
        if twice := next((name for name, other in pairwise(ids) if name == other), None):
            raise UserError(f"two images of {self.root} are called {twice!r}: remove or rename one of them")
        self._meta[split] = {one.pair.id: dict(one.meta) for one in found if one.meta}
        return ImageFiles([one.pair for one in found], self.masks, self.reading)

    def read_meta(self, split: Split) -> dict[str, dict[str, str]]:
        """What the folders say of each image of a split."""
        self.open_split(split)
        return self._meta[split]

    def find_folder(self, *places: str) -> Path:
        """The first of several places in the root that is a folder.

        Raises:
            UserError: none is; the sentence says where to get the data.
        """
        found = next((self.root / place for place in places if (self.root / place).is_dir()), None)
        if found is None:
            raise self.make_missing_error(places[0])
        return found

    def make_missing_error(self, what: str) -> UserError:
        """The sentence for a missing file or folder."""
        origin = ORIGINS[self.origin]
        return UserError(
            f"{origin.name} is not in {self.root} ({what} is looked for): get {self.archives} from {origin.page} and "
            f"unpack it there, or {OR_SET}"
        )

    def pair_files(
        self,
        images: Path,
        masks: Path,
        endings: tuple[str, str] = ("", ""),
        prefix: str = "",
        names: Collection[str] | None = None,
    ) -> list[Pair]:
        """Pairs of two folders, whose ids are paths within these.

        Args:
            images: folder of the images.
            masks: folder of the masks.
            endings: of the names of images and of masks, before the extension, which are no part of the id.
            prefix: of the ids, for folders whose names would meet.
            names: the images that are taken; all if `None`.

        Raises:
            UserError: see `pair`.
        """
        for folder in (images, masks):
            if not folder.is_dir():
                raise self.make_missing_error(_describe_below(folder, self.root))
        inside = _describe_below(images, self.root)
        found = pair(self.root, names, Naming(inside, _describe_below(masks, self.root), *endings))
        if not found:
            raise self.make_missing_error(f"{inside}/*{endings[0]}.*")
        return [one._replace(id=f"{prefix}{one.id}") for one in found]


def _describe_below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def name_sequences(pairs: Sequence[Pair], **meta: str) -> list[Known]:
    """Pairs whose folder is the sequence that they are of, with further metadata."""
    return [Known(one, {**meta, "sequence": Path(one.id).parent.name}) for one in pairs]
