"""Pictures: files of one image, and TIFF files page by page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.reading import tiff
from datamodules.reading.decoding import count_pages, open_header
from datamodules.reading.deep_png import read_deep_png_header, read_deep_png_levels
from datamodules.reading.found_files import SUFFIXES, get_suffix
from experiments.predicting.kinds import CONVERT
from experiments.predicting.level_rules import LevelRules, Window
from experiments.predicting.prediction_table import make_rows
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look, Row, Source, name_page, name_result, write_pictures
from safe_files.array_file import read_header
from user_error import UserError

UNSIGNED = {np.dtype(np.uint8): None, np.dtype(np.uint16): (0.0, 65535.0)}
"""The range of the types that say one; floats and signed numbers say none."""


class _Form(NamedTuple):
    """How a page is stored: what reads it where Pillow does not, whether of more than 8 bits, in which range, in one channel."""

    read: Callable[[], np.ndarray] | None
    deep: bool
    possible: Window | None
    grey: bool


@dataclass(frozen=True)
class PictureSource(Source):
    """A picture.

    Args:
        file: that is read.
        place: of its results, without what says their kind.
        name: of the image in the table.
        pages: their number, where each has results of its own; `None` for a file of one.
    """

    file: Path
    place: Path
    name: str
    pages: int | None = None

    @property
    def files(self) -> Sequence[Path]:
        """The one file."""
        return (self.file,)

    @property
    def images(self) -> int:
        """The number of pages."""
        return self.pages or 1

    def name_results(self, maps: Sequence[str]) -> list[Path]:
        """See `Source`."""
        kinds = ("mask", "overlay", *maps)
        return [name_result(name_page(self.place, page), kind) for page in self._list_pages() for kind in kinds]

    def write(self, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
        """See `Source`."""
        for page in self._list_pages():
            image = read_picture(self.file, page, rules)
            name = str(self.file) if page is None else f"{self.file} (page {page})"
            found = segmenter.predict(image, name)
            write_pictures(name_page(self.place, page), image, found, look)
            rows += make_rows(
                self.name, look.classes, found.tally, part="" if page is None else str(page), judgement=found.judgement
            )
            yield 1

    def _list_pages(self) -> list[int | None]:
        return [None] if self.pages is None else [*range(self.pages)]


def read_picture(file: Path, page: int | None, rules: LevelRules, names: tuple[str, ...] | None = None) -> np.ndarray:
    """A picture (H, W, C) uint8 as the network saw those of its training.

    Args:
        file: that is read.
        page: of it; `None` of a file of one.
        rules: by which levels become 8 bits.
        names: of its channels, where they are others than those of the checkpoint.

    Raises:
        UserError: it cannot be read, or does not fit.
    """
    form = find_form(file, page)
    name = str(file) if page is None else f"{file} (page {page})"
    window = rules.choose(file, None, form.possible) if form.deep else rules.reading.window
    if form.read is not None:
        try:
            levels = form.read()
        except Exception as error:  # decoders raise errors of many classes
            raise UserError(f"the image {name} cannot be read ({error}): replace or remove it") from error
        return rules.fit(rules.reduce(levels, window, name), name, file)
    reading = replace(rules.reading, window=window, channels=names or rules.reading.channels)
    repeated = names is None and form.grey and rules.is_repeated(1, file)
    if repeated:
        reading = replace(reading, channels=reading.channels[:1])
    try:
        image = rules.explain(lambda: reading.read(file, page), name)
    except UserError as error:
        raise _name_kind(file, error) from error
    return np.repeat(image, len(rules.reading.channels), 2) if repeated else image


def _name_kind(file: Path, error: UserError) -> UserError:
    """The error of a file; where it is of a kind that is not read, that."""
    suffix = get_suffix(file)
    if not suffix or suffix in SUFFIXES:
        return error
    return UserError(f"{str(file)!r} is of a kind that is not read ({suffix}): {CONVERT}")


def count_file_pages(file: Path) -> int | None:
    """The number of pages of a TIFF file that has several; `None` of every other file, and of one that cannot be read."""
    if file.suffix.lower() not in tiff.SUFFIXES:
        return None
    try:
        pages = count_pages(open_header(file, 0))
    except Exception:  # of a kind that Pillow does not read; what is damaged is told when it is decoded
        try:
            pages = tiff.count_tiff_pages(file)
        except Exception:
            return None
    return pages if pages > 1 else None


def find_form(file: Path, page: int | None) -> _Form:
    """How a page of a file is stored, as its header says; one that cannot be read counts as of 8 bits."""
    try:
        if file.suffix.lower() == ".npy":
            header = read_header(file)
            grey = len(header.shape) == 2 or header.shape[2:] == (1,)
            return _Form(None, header.dtype not in (np.uint8, np.bool_), UNSIGNED.get(header.dtype), grey)
        try:
            picture = open_header(file, page)
        except Exception:
            return _find_further_form(file, page)
        grey = len(picture.getbands()) == 1 and picture.mode != "P"
        return _Form(
            None,
            picture.mode.startswith(("I", "F")),
            UNSIGNED[np.dtype(np.uint16)] if picture.mode.startswith("I;16") else None,
            grey,
        )
    except Exception:
        return _Form(None, False, None, False)


def _find_further_form(file: Path, page: int | None) -> _Form:
    """The form of a file that Pillow does not read."""
    if page is None and read_deep_png_header(file) is not None:
        return _Form(lambda: read_deep_png_levels(file), True, UNSIGNED[np.dtype(np.uint16)], False)
    if file.suffix.lower() not in tiff.SUFFIXES:
        raise ValueError("of a kind that is not read")
    shape, dtype = tiff.read_tiff_header(file, page or 0)
    possible = UNSIGNED.get(dtype.newbyteorder("="))
    return _Form(lambda: tiff.read_tiff_levels(file, page or 0), dtype != np.uint8, possible, shape[2] == 1)
