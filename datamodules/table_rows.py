"""A data set of images within tables, such as Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.dataset import Sample, SegmentationDataset
from datamodules.reading.embedded import EmbeddedFile
from datamodules.reading.image_reading import ImageReading
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.tables import TableFile
from user_error import UserError


class Row(NamedTuple):
    """The id of an image, and where it lies: the number of its table, and its row there."""

    id: str
    table: int
    row: int


class TableRows(SegmentationDataset):
    """Images and masks in the columns of tables.

    Args:
        tables: the files.
        rows: of this data set.
        columns: of the image and of the mask.
        masks: how masks are read.
        images: how images are read.
    """

    def __init__(
        self,
        tables: Sequence[Path],
        rows: Sequence[Row],
        columns: tuple[str, str],
        masks: MaskReading,
        images: ImageReading,
    ) -> None:
        used = sorted({one.table for one in rows})
        self.tables = [tables[number] for number in used]
        self.rows = [one._replace(table=used.index(one.table)) for one in rows]
        self.ids = [one.id for one in self.rows]
        self.columns = columns
        self.masks = masks
        self.images = images

    def __getitem__(self, index: int) -> Sample:
        """Decode row `index`: image uint8 (H, W, C), mask uint8 (H, W).

        Raises:
            UserError: it cannot be read, or holds what was not described.
        """
        one = self.rows[index]
        table = TableFile(self.tables[one.table])
        image, mask = (table.read_cell(one.row, column) for column in self.columns)
        where = f"of {table.path} (row {one.row})"
        if isinstance(image, str) or isinstance(mask, str):
            raise UserError(f"the image or the mask {where} is a name, where others are images: write the table anew")
        levels = (
            self.images.read(image) if isinstance(image, EmbeddedFile) else self.images.convert(lambda: image, where)
        )
        labels = self._read_mask(mask, where)
        if levels.shape[:2] != labels.shape:
            raise UserError(
                f"the image {where} is {levels.shape[0]} x {levels.shape[1]} pixels (height x width) and its mask "
                f"{labels.shape[0]} x {labels.shape[1]}: bring them to the same size"
            )
        return Sample(image=levels, mask=labels)

    def _read_mask(self, mask: EmbeddedFile | np.ndarray, where: str) -> np.ndarray:
        if isinstance(mask, np.ndarray):
            return self.masks.convert(lambda: mask, where)
        labels, by_index = self.masks.read_with_palette(mask)
        if by_index:
            raise UserError(
                f"the mask {where} has a palette of colours: pass --data.init_args.mask_levels stored if its numbers are the "
                "classes, or --data.init_args.palette with a colour for each class"
            )
        return labels
