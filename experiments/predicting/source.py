"""Base of what is segmented together: an image file, or all slices of a volume or of a series."""

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.pictures.overlays import overlay
from experiments.predicting.level_rules import LevelRules
from experiments.predicting.marked_results import write_result
from experiments.predicting.prediction import Prediction
from experiments.predicting.segmenter import Segmenter
from user_error import UserError

Row = dict[str, object]


@dataclass(frozen=True)
class Look:
    """Names of the classes, and a colour (K, 3) for each."""

    classes: Sequence[str]
    palette: np.ndarray


class Source(ABC):
    """Files that are segmented together, each by the rule of its kind."""

    @property
    @abstractmethod
    def files(self) -> Sequence[Path]:
        """The files that are read."""

    @property
    @abstractmethod
    def images(self) -> int:
        """Number of images, pages or slices."""

    @abstractmethod
    def name_results(self, maps: Sequence[str]) -> list[Path]:
        """The files that `write` writes.

        Args:
            maps: names of the maps of uncertainty.
        """

    @abstractmethod
    def write(self, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
        """Segment and write the results; yields the number of images that were predicted since.

        Args:
            segmenter: that predicts.
            rules: by which levels become 8 bits.
            look: of the pictures.
            rows: of the table, to which those of each result that is written are added.

        Raises:
            UserError: a file is not read, does not fit the checkpoint, or gives no numbers.
            OSError: a result cannot be written.
        """


def write_source(source: Source, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
    """`Source.write`, where a name that is too long for a file system is the user's mistake.

    Raises:
        UserError: see `Source.write`, or results would have names that are too long.
        OSError: a result cannot be written.
    """
    try:
        yield from source.write(segmenter, rules, look, rows)
    except MemoryError as error:
        raise UserError(f"{str(source.files[0])!r} is too large for the memory: cut it into parts") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UserError(
            f"the results of {str(source.files[0])!r} would have names that are too long for their folder: rename it"
        ) from error


def name_result(place: Path, kind: str) -> Path:
    """The path of a picture of a result."""
    return place.with_name(f"{place.name}_{kind}.png")


def name_page(place: Path, page: int | None) -> Path:
    """The place of a page of a file, or of the file where it has one."""
    return place if page is None else place.with_name(f"{place.name}_{page:04d}")


def write_pictures(place: Path, image: np.ndarray, found: Prediction, look: Look) -> None:
    """The mask as a palette image, its overlay, and maps of uncertainty.

    Raises:
        OSError: one cannot be written.
    """
    ids = Image.fromarray(found.mask, mode="L").convert("P")
    ids.putpalette(look.palette.ravel().tolist())
    write_result(ids, name_result(place, "mask"))
    write_result(Image.fromarray(overlay(image, found.mask, look.palette)), name_result(place, "overlay"))
    for kind, levels in found.maps.items():
        write_result(Image.fromarray(levels), name_result(place, kind))
