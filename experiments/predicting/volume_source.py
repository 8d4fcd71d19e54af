"""Volumes of NIfTI files, slice by slice: a label volume on the same grid, and an overlay of each slice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from datamodules.reading import nifti
from datamodules.reading.nifti import Plane, VolumeHeader
from experiments.pictures.overlays import overlay
from experiments.predicting.label_volume import write_volume
from experiments.predicting.level_rules import LevelRules, Window
from experiments.predicting.marked_results import write_result
from experiments.predicting.prediction_table import WHOLE, Tally, add_tallies, make_rows
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look, Row, Source
from user_error import UserError


@dataclass(frozen=True)
class VolumeSource(Source):
    """A volume of one file, or of one for each channel.

    Args:
        paths: of the files, in the order of channels.
        headers: of them.
        place: of the results, without what says their kind.
        name: of the volume in the table.
        plane: through which it is cut.
    """

    paths: tuple[Path, ...]
    headers: tuple[VolumeHeader, ...]
    place: Path
    name: str
    plane: Plane

    @property
    def files(self) -> Sequence[Path]:
        """One for each channel."""
        return self.paths

    @property
    def images(self) -> int:
        """The number of slices."""
        return self.headers[0].count_slices(self.plane)

    def name_results(self, maps: Sequence[str]) -> list[Path]:
        """See `Source`."""
        volumes = [self._name_volume(kind) for kind in ("mask", *maps)]
        return [*volumes, *(self._name_overlay(number) for number in range(self.images))]

    def write(self, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
        """See `Source`; the volumes are written when all slices were predicted."""
        first, windows = self.headers[0], self._choose_windows(rules)
        mask = nifti.make_volume(first, np.uint8)
        maps = {kind: nifti.make_volume(first, np.float32) for kind in segmenter.maps}
        area, total = first.measure_pixel(self.plane), list[Tally]()
        for number in range(self.images):
            name = f"{self.paths[0]} ({self.plane} slice {number})"
            image = self._cut(rules, windows, number, name)
            found = segmenter.predict(image, name, torch.float32)
            write_result(Image.fromarray(overlay(image, found.mask, look.palette)), self._name_overlay(number))
            nifti.put_slice(mask, first, self.plane, number, found.mask)
            for kind, levels in found.maps.items():
                nifti.put_slice(maps[kind], first, self.plane, number, levels)
            rows += make_rows(
                self.name, look.classes, found.tally, part=str(number), pixel_area=area, judgement=found.judgement
            )
            total.append(found.tally)
            yield 1
        for kind, volume in {"mask": mask, **maps}.items():
            write_volume(volume, self.paths[0], self._name_volume(kind))
        whole = add_tallies(total)
        voxel = float(np.prod(first.spacing))
        rows += make_rows(self.name, look.classes, whole, part=WHOLE, voxel_volume=voxel)

    def _name_volume(self, kind: str) -> Path:
        return self.place.with_name(f"{self.place.name}_{kind}.nii.gz")

    def _name_overlay(self, number: int) -> Path:
        return self.place / f"{self.plane}_{number:04d}_overlay.png"

    def _choose_windows(self, rules: LevelRules) -> list[Window | None]:
        return [_choose_window(path, header, rules) for path, header in zip(self.paths, self.headers, strict=True)]

    def _cut(self, rules: LevelRules, windows: Sequence[Window | None], number: int, name: str) -> np.ndarray:
        """A slice (H, W, C) uint8 of all channels."""
        channels = []
        for path, header, window in zip(self.paths, self.headers, windows, strict=True):
            try:
                levels = nifti.cut_slice(path, self.plane, number, header)
            except (ValueError, OSError) as error:
                raise UserError(f"the volume {path} cannot be read ({error}): replace or remove it") from error
            channels.append(rules.reduce(levels, window, f"{path} ({self.plane} slice {number})"))
        return rules.fit(np.concatenate(channels, 2), name, self.paths[0])


def _choose_window(path: Path, header: VolumeHeader, rules: LevelRules) -> Window | None:
    """The levels of a volume that become black and white; `None` where they are of 8 bits already."""
    if rules.percentiles is not None and rules.window is None:
        try:
            low, high = nifti.compute_percentiles(path, rules.percentiles)
        except (ValueError, OSError) as error:
            raise UserError(f"the volume {path} {error}") from error
        window = (low, high if high > low else low + 1)
        rules.note("levels from black to white by --percentiles", path, f"[{window[0]:g}, {window[1]:g}]")
        return window
    plain = header.dtype == np.uint8 and (header.slope, header.intercept) == (1, 0)
    if plain and rules.window is None and rules.reading.window is None:
        return None
    try:
        return rules.choose(path, header.shown, None)
    except UserError as error:
        raise UserError(f"{error}, or --percentiles 0.5 99.5 where levels have no unit, as in MRI") from error
