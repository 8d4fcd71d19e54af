"""Any data set in a folder: images, masks and a description."""

import glob
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

from datamodules.base import SegmentationDataModule, Split
from datamodules.image_files import ImageFiles
from datamodules.reading.description import Description
from datamodules.reading.image_reading import ImageReading
from datamodules.reading.layouts import explain_layout
from datamodules.reading.lists import SPLIT_NAMES, Lists, as_listed
from datamodules.reading.origins import describe_origin
from datamodules.reading.pairs import Pair, pair
from safe_files.roots import find_data
from user_error import UserError

SPLITS: tuple[Split, ...] = get_args(Split)


class FolderDataModule(SegmentationDataModule):
    """The data set in a folder that holds ``dataset.yaml``.

    Either ``root/{train,val,test}/{images,masks}``, or ``root/{images,masks}`` and a list of stems for every split: the
    key `splits` of ``dataset.yaml``, a file ``root/{train,val,test}.txt`` with a stem on each line, or the columns
    `split` and `stem` of ``root/meta.csv``. An image and its mask have the same name up to the extension, unless the
    description declares further endings.

    ``dataset.yaml`` has `classes` (a list of names, or names by the value in the masks) and, where they apply,
    `num_classes` (as a check), `ignore_index` (one value or several), `palette` (a colour for each class) and
    `ignored_colours`; how images are read: `channels`, `window`, `mode`, `orientation` (see `ImageReading`); how masks
    are: `mask_levels`, `lossy_masks` (see `MaskReading`); where both lie: `image_folder`, `mask_folder`, `image_suffix`,
    `mask_suffix` (see `Naming`); `splits`; and `shift_columns`, columns of ``meta.csv`` whose values are real shifts.

    Further columns of ``meta.csv`` (time of day, institution, ...) are metadata of the images: suites can score the
    images of one value separately, and `where` selects images.

    Args:
        root: the folder; see `safe_files.roots.find_data`.
        where: for a split, the values of columns of ``meta.csv`` that its images must have; such as
            ``{train: {time_of_day: [day]}}`` to train on day frames alone.
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: the folder or its description is missing or malformed.
    """

    def __init__(self, root: str, where: dict[str, dict[str, list[str]]] | None = None, **kwargs: Any) -> None:
        self.root = find_data(root)
        self.where = where or {}
        if not self.root.is_dir():
            raise UserError(f"the data folder {self.root} does not exist: {describe_origin(self.root)}")
        self.description = Description(self.root / "dataset.yaml")
        self.lists = Lists(self.root, self.description.splits)
        for split in self.where:
            if split not in SPLITS:
                raise UserError(f"`where` names the unknown split {split!r}: the splits are {', '.join(SPLITS)}")
        super().__init__(
            classes=self.description.classes,
            channels=self.description.channels,
            palette=self.description.palette,
            **kwargs,
        )
        self.shift_columns = self.description.shift_columns

    @property
    def reading(self) -> ImageReading:
        """As described in ``dataset.yaml``."""
        return self.description.images

    def make_dataset(self, split: Split) -> ImageFiles:
        """The files of a split.

        Raises:
            UserError: the split is unknown or has neither folder nor list, or its files are not complete.
        """
        if split not in SPLITS:
            raise UserError(f"there is no split {split!r}: the splits are {', '.join(SPLITS)}")
        pairs = self._find_pairs(split)
        if self.where.get(split):
            selected = self._select(split)
            pairs = [one for one in pairs if as_listed(one.id) in selected]
        return ImageFiles(pairs, self.description.masks, self.reading, partial(self._list_other_pairs, split))

    def _list_other_pairs(self, split: Split) -> list[Pair]:
        """The pairs of the other splits; incomplete splits are skipped."""
        found: list[Pair] = []
        for other in SPLITS:
            with suppress(UserError):
                found += self._find_pairs(other) if other != split else []
        return found

    def find_folder(self, split: Split) -> Path | None:
        """The folder of a split with its images and masks; `None` where lists define the split.

        Raises:
            UserError: there are several such folders, or neither a folder nor images to list.
        """
        naming = self.description.naming
        called = [name for name, meant in SPLIT_NAMES.items() if meant == split]
        parts = {naming.image_folder, naming.mask_folder}
        found = [self.root / name for name in called if any((self.root / name / part).is_dir() for part in parts)]
        if len(found) > 1:
            raise UserError(f"{found[0]} and {found[1]} are both folders of the split {split!r}: remove or rename one")
        parent = found[0] if found else self.root
        if not all((parent / part).is_dir() for part in parts) and (looks := explain_layout(self.root)) is not None:
            raise UserError(f"the split {split!r} is not found: {looks}")
        if not found and not (self.root / naming.image_folder).is_dir():
            raise UserError(
                f"{self.root} has neither {split}/{naming.image_folder} nor {naming.image_folder}: add the folder of the "
                f"split {split!r}, or put all images into {naming.image_folder} and list the splits"
            )
        return found[0] if found else None

    def _find_pairs(self, split: Split) -> list[Pair]:
        naming, folder = self.description.naming, self.find_folder(split)
        if folder is None:
            return pair(self.root, self._read_list(split), naming)
        pairs = pair(folder, naming=naming)
        ids = [one.id for one in pairs]
        listed = self.lists.read_chosen().get(split)
        if listed is not None and set(map(as_listed, listed)) != set(map(as_listed, ids)):
            raise UserError(
                f"{self.root} says in two ways what the split {split!r} is, by the folder {folder.name} and by a list of "
                f"{len(listed)} images, where the folder holds {len(ids)}: remove the list, or move all images into one folder"
            )
        self._refuse_contradicted(split, ids, folder)
        return pairs

    def _refuse_contradicted(self, split: Split, ids: list[str], folder: Path) -> None:
        """Refuse a table that assigns an image in a split's folder to another split, which has no image of that name."""
        here = self.lists.read_rows(split)
        unlisted = [name for name in ids if as_listed(name) not in here]
        for other in SPLITS:
            rows = self.lists.read_rows(other) if unlisted and other != split else {}
            for name in unlisted:
                places = self.root / other / self.description.naming.image_folder
                if as_listed(name) in rows and not list(places.glob(f"{glob.escape(as_listed(name))}*")):
                    raise UserError(
                        f"{self.root / 'meta.csv'} has {name!r} in the split {other!r}, but the image lies in {folder}: "
                        "correct it"
                    )

    def read_meta(self, split: Split) -> dict[str, dict[str, str]]:
        """The rows of ``meta.csv`` for the images of a split, by id; empty where there is no such file."""
        rows = self.lists.read_rows(split)
        return {name: rows[as_listed(name)] for name in self.open_split(split).ids if as_listed(name) in rows}

    def _select(self, split: Split) -> set[str]:
        """Names of the images that `where` selects.

        Raises:
            UserError: `where` has a column or a value that no image of the split has.
        """
        rows = self.lists.read_rows(split)
        selected = set(rows)
        for column, values in self.where[split].items():
            known = {row[column] for row in rows.values() if column in row}
            absent = [value for value in map(str, values) if value not in known]
            if absent or not values:
                given = f"value {absent[0]!r}" if absent else "no value"
                listed = ", ".join(sorted(known)[:8]) or "no value"
                raise UserError(
                    f"`where` asks for {column} with {given} in the split {split!r}, but meta.csv has {listed}: correct it"
                )
            selected &= {name for name, row in rows.items() if row.get(column) in {str(value) for value in values}}
        return selected

    def _read_list(self, split: Split) -> list[str]:
        """The names of a split.

        Raises:
            UserError: there is no list, an image is listed twice or leaves the folder, or two splits share one.
        """
        lists = self.lists.read_lists()
        if split not in lists:
            raise UserError(
                f"{self.root} lists no split {split!r}: add it to `splits` in dataset.yaml, write {split}.txt, "
                "or add it to the columns split,stem of meta.csv"
            )
        for name, names in lists.items():
            shared = sorted(set(map(as_listed, names)) & set(map(as_listed, lists.get("train", ()))))
            if name != "train" and shared:
                raise UserError(f"{self.root} lists {shared[0]!r} in the splits 'train' and {name!r}: remove it in one")
        return lists[split]
