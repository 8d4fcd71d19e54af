"""DICOM series: pictures of each slice, and one DICOM SEG of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.reading.dicom import DicomHeader, find_spacing
from datamodules.reading.dicom_levels import read_frame
from datamodules.reading.dicom_series import DicomSeries
from datamodules.reading.dicom_windows import find_curve, find_range
from experiments.predicting.dicom_segments import make_segmentation
from experiments.predicting.level_rules import LevelRules
from experiments.predicting.marked_results import write_sealed
from experiments.predicting.prediction_table import WHOLE, Tally, add_tallies, make_rows
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look, Row, Source, name_page, name_result, write_pictures
from user_error import UserError


@dataclass(frozen=True)
class SeriesSource(Source):
    """The slices of a series, in the order in which they lie in the patient.

    Args:
        series: that is read.
        places: of the results of each file, without what says their kind.
        names: of each file in the table.
    """

    series: DicomSeries
    places: Mapping[Path, Path]
    names: Mapping[Path, str]

    @property
    def files(self) -> Sequence[Path]:
        """By their order."""
        return [file.path for file in self.series.files]

    @property
    def images(self) -> int:
        """The number of frames of all files."""
        return sum(file.frames for file in self.series.files)

    def name_results(self, maps: Sequence[str]) -> list[Path]:
        """See `Source`."""
        kinds = ("mask", "overlay", *maps)
        frames = [
            name_result(self._find_place(file, frame), kind) for file, frame in self.series.places for kind in kinds
        ]
        return [*frames, *([self._name_segments()] if self.series.can_be_referred_to else [])]

    def write(self, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
        """See `Source`; the SEG is written when all slices were predicted."""
        masks, tallies = list[np.ndarray](), list[Tally]()
        if self.series.mixed:
            rules.note(
                "each slice by itself, since several lie at one position and nothing tells their volumes apart",
                self.files[0],
            )
        for number, (file, frame) in enumerate(self.series.places):
            name = str(file.path) if file.frames == 1 else f"{file.path} (frame {frame})"
            image = read_slice(file, frame, rules, name)
            found = segmenter.predict(image, name)
            write_pictures(self._find_place(file, frame), image, found, look)
            spacing = find_spacing(file, frame)
            rows += make_rows(
                self.names[file.path],
                look.classes,
                found.tally,
                part=str(number) if self.images > 1 else "",
                pixel_area=None if spacing is None else spacing[0] * spacing[1],
                judgement=found.judgement,
            )
            masks.append(found.mask)
            tallies.append(found.tally)
            yield 1
        if self.images > 1:
            whole = add_tallies(tallies)
            volume = self.series.voxel_volume
            rows += make_rows(self._find_name(), look.classes, whole, part=WHOLE, voxel_volume=volume)
        if self.series.can_be_referred_to:
            write_sealed(make_segmentation(self.series, np.stack(masks), look), self._name_segments())
        else:
            rules.note(
                "masks as pictures alone, since images without a frame of reference have no DICOM SEG", self.files[0]
            )

    def _find_place(self, file: DicomHeader, frame: int) -> Path:
        return name_page(self.places[file.path], frame if file.frames > 1 else None)

    def _find_name(self) -> str:
        """That of the file whose name is the first."""
        return min(self.names[file] for file in self.files)

    def _name_segments(self) -> Path:
        first = min(self.files, key=lambda file: self.names[file])
        return self.places[first].with_name(f"{self.places[first].name}_seg.dcm")


def read_slice(file: DicomHeader, frame: int, rules: LevelRules, name: str) -> np.ndarray:
    """A frame (H, W, C) uint8 as the network saw those of its training, upright in brightness.

    Raises:
        UserError: it cannot be read, or does not fit the checkpoint.
    """
    try:
        levels = read_frame(file, frame)
    except (ValueError, OSError) as error:
        raise UserError(f"the image {name} cannot be read ({error})") from error
    if not file.grey:
        return rules.fit(rules.reduce(levels, rules.reading.window, name), name, file.path)
    image = reduce_grey(levels, file, frame, rules, name)
    return rules.fit(255 - image if file.inverted else image, name, file.path)


def reduce_grey(levels: np.ndarray, file: DicomHeader, frame: int, rules: LevelRules, name: str) -> np.ndarray:
    """Rescaled levels (H, W) of a frame as uint8 (H, W, 1), by the first rule that there is.

    Raises:
        UserError: the file's own is damaged, or there is none.
    """
    try:
        curve = None if rules.asks else find_curve(file, frame)
    except ValueError as error:
        raise UserError(f"the image {name} cannot be shown ({error})") from error
    if curve is not None:
        rules.note(f"levels from black to white by the file's own {curve.kind}", file.path, curve.describe())
        return rules.reduce(curve.brighten(levels), (0.0, 1.0), name)
    found = find_range(file, frame)
    if found.asked and found.window is None and not rules.asks:
        rules.note("the file's own window left out, since its centre, width or function is none", file.path)
    return rules.reduce(levels, rules.choose(file.path, found.window, found.possible), name)
